"""The floor in Python: plain sockets, and `socket.send` in a loop over all of them.

It accepts connections on one port and, on the next, minimal HTTP: every posted body is sent to every connection.
"""

import selectors
import socket
import sys


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    return listener


def _read_body(control: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = control.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += control.recv(65536)
    return body


def main(port: int) -> None:
    """Serve until killed."""
    waiting = selectors.DefaultSelector()
    receivers, publishers = _listen(port), _listen(port + 1)
    waiting.register(receivers, selectors.EVENT_READ)
    waiting.register(publishers, selectors.EVENT_READ)
    connections: list[socket.socket] = []
    while True:
        for key, _ in waiting.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is receivers:
                connection, _ = sock.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections.append(connection)
            elif sock is publishers:
                waiting.register(sock.accept()[0], selectors.EVENT_READ)
            elif (body := _read_body(sock)) is None:
                waiting.unregister(sock)
                sock.close()
            else:
                closed = []
                for connection in connections:
                    try:
                        connection.send(body)
                    except OSError:
                        closed.append(connection)
                for connection in closed:
                    connections.remove(connection)
                    connection.close()
                sock.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


main(int(sys.argv[1]))
