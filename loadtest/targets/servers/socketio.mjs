// Socket.IO on Node: a room for each user.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { renameSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// The package is in the directory of the installed peers, not beside this file.
const { Server } = createRequire(pathToFileURL(process.argv[3] + "/"))("socket.io");

const http = createServer((request, response) => {
  if (!request.url.startsWith("/publish")) return;
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const user = new URL(request.url, "http://localhost").searchParams.get("user");
    io.to(user).emit("event", Buffer.concat(parts).toString());
    response.writeHead(200, { "Content-Length": 0 }).end();
  });
});
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
io.on("connection", (socket) => socket.join(socket.handshake.query.user));

process.on("SIGUSR2", () => {
  globalThis.gc?.();
  const path = `${process.env.LOADTEST_COLLECTS}/${process.pid}`;
  writeFileSync(`${path}.new`, "{}");
  renameSync(`${path}.new`, path);
});
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
