// The unmodified npm package eventsource. Prints each observation as a line of JSON, and ends when the source stops.
import { createRequire } from "node:module";

import { listen } from "./listen.mjs";

const { EventSource } = createRequire(`${process.env.PACKAGES}/`)("eventsource");

listen(new EventSource(process.env.ADDRESS), (observed) => console.log(JSON.stringify(observed)));
