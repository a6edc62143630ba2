/** Components that are rendered again only if a property changes. */

import { Component, type ComponentType, type FunctionComponent, h } from "preact";

/** Return a component that keeps its output while its properties are the same. */
export function memo<P extends object>(render: FunctionComponent<P>): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return (Object.keys(next) as (keyof P)[]).some((name) => next[name] !== this.props[name]);
    }

    override render() {
      return h(render, this.props);
    }
  };
}
