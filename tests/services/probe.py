"""Says by its exit status whether a service answers and lets the tests in (standard library only).

    python3 probe.py postgres|amqp|redis HOST PORT
    python3 probe.py free-port

A port that is open is not enough: the service may want a password that nobody told us.
"""

import random
import socket
import struct
import sys

TIMEOUT_S = 5


def exactly(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def postgres(connection):
    """User `postgres` without a password; the answer is AuthenticationOk."""
    words = b"user\0postgres\0database\0postgres\0\0"
    connection.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
    kind, length = struct.unpack("!cI", exactly(connection, 5))
    return kind == b"R" and struct.unpack("!I", exactly(connection, length - 4)[:4])[0] == 0


def amqp(connection):
    """User `guest` with its default password, up to Connection.Tune."""
    connection.sendall(b"AMQP\0\0\x09\x01")

    def method():
        kind, _, length = struct.unpack("!BHI", exactly(connection, 7))
        payload = exactly(connection, length + 1)
        return struct.unpack("!HH", payload[:4]) if kind == 1 else None

    if method() != (10, 10):
        return False
    response = b"\0guest\0guest"
    start_ok = struct.pack("!HHI", 10, 11, 0) + b"\x05PLAIN" + struct.pack("!I", len(response)) + response + b"\x05en_US"
    connection.sendall(struct.pack("!BHI", 1, 0, len(start_ok)) + start_ok + b"\xce")
    return method() == (10, 30)


def redis(connection):
    connection.sendall(b"PING\r\n")
    return exactly(connection, 5) == b"+PONG"


def free_port():
    """Below the range that the kernel gives to outgoing connections: while a restarted server is away,
    a client that keeps knocking could be given the server's own port and hold it."""
    for port in random.sample(range(15000, 32000), 200):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    sys.exit("probe.py: no free port")


def main():
    if sys.argv[1:] == ["free-port"]:
        print(free_port())
        return 0
    service, host, port = sys.argv[1:]
    try:
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
            return 0 if {"postgres": postgres, "amqp": amqp, "redis": redis}[service](connection) else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
