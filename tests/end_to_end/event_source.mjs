// The npm package eventsource, unmodified. Prints what it notices, a line of JSON each, and ends when it stops for good.
import { createRequire } from "node:module";

import { listen } from "./listen.mjs";

const { EventSource } = createRequire(`${process.env.PACKAGES}/`)("eventsource");

listen(new EventSource(process.env.ADDRESS), (noticed) => console.log(JSON.stringify(noticed)));
