/** The trace while it is being loaded, in the geometry that it will have. */

import { Skeleton } from "../../kit/states.tsx";

/** The skeleton. */
export function TraceSkeleton() {
  return (
    <div class="trace-skeleton">
      <div class="card">
        <Skeleton lines={2} height={20} />
      </div>
      <div class="card">
        <Skeleton lines={1} height={40} />
      </div>
      <div class="trace-columns">
        <div class="card">
          <Skeleton lines={6} />
        </div>
        <div class="card">
          <Skeleton lines={4} />
        </div>
      </div>
    </div>
  );
}
