// Devices with the official JavaScript client, driven over stdin and stdout: one JSON object a line.
//   in:  {id, do: "connect", device, url, token, transports, namespace} · {id, do: "join", device, beside, token, namespace, calls} · {id, do: "emit", device, event, data} · {id, do: "close", device}
//   out: {id, result} or {id, error} · {device, event, data} for what a device hears, its "disconnect" included
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const commands = {
  connect({ device, url, token, transports, namespace = "/conversations" }) {
    return new Promise((resolve, reject) => {
      const socket = io(url + namespace, { auth: { token }, transports, forceNew: true, reconnection: false });
      sockets.set(device, socket);
      socket.onAny((event, data) => say({ device, event, data }));
      socket.on("disconnect", (reason, details) => {
        const { code, reason: why, status, responseText } = details?.context ?? {};
        say({ device, event: "disconnect", data: { reason, code, why, status, body: responseText } });
      });
      socket.once("connect_error", (error) => reject(new Error(error.data?.code ?? error.message)));
      socket.once("connect", () => resolve({}));
    });
  },
  // Another namespace over the connection of a device; `calls`: how often the program calls connect().
  join({ device, beside, token, namespace, calls }) {
    return new Promise((resolve, reject) => {
      const socket = sockets.get(beside).io.socket(namespace, { auth: { token } });
      sockets.set(device, socket);
      socket.onAny((event, data) => say({ device, event, data }));
      socket.on("disconnect", (reason) => say({ device, event: "disconnect", data: { reason } }));
      socket.once("connect_error", (error) => reject(new Error(error.data?.code ?? error.message)));
      socket.once("connect", () => resolve({}));
      for (let call = 1; call < calls; call++) socket.connect();
    });
  },
  emit({ device, event, data }) {
    return sockets.get(device).timeout(15_000).emitWithAck(event, data);
  },
  tell({ device, event, data }) {
    sockets.get(device).emit(event, data);
    return Promise.resolve({});
  },
  transport({ device }) {
    return Promise.resolve(sockets.get(device).io.engine.transport.name);
  },
  close({ device }) {
    sockets.get(device).disconnect();
    sockets.delete(device);
    return Promise.resolve({});
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command).then(
      (result) => say({ id: command.id, result }),
      (error) => say({ id: command.id, error: String(error.message ?? error) }),
    );
  })
  .on("close", () => process.exit(0));
