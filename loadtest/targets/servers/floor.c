#define _GNU_SOURCE
/* The floor in C: plain sockets, and send(2) in a loop over all of them.
 *
 * It accepts connections on one port and, on the next, minimal HTTP: every posted body is sent to every connection. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MOST = 1 << 20, MOST_PUBLISHERS = 512, MOST_BODY = 1 << 20 };

static int connections[MOST];
static char buffer[MOST_BODY];

static int listen_on(int port) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("listen");
        exit(1);
    }
    return fd;
}

/* Read a whole request; give its body's length, -1 at the end. */
static int read_body(int fd, char **body) {
    int have = 0, more;
    while ((more = recv(fd, buffer + have, MOST_BODY - 1 - have, 0)) > 0) {
        have += more;
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n");
        char *length = end ? strcasestr(buffer, "content-length:") : NULL;
        if (length && buffer + have - (end + 4) >= atoi(length + 15)) {
            *body = end + 4;
            return atoi(length + 15);
        }
    }
    return -1;
}

int main(int count, char **arguments) {
    int on = 1, connected = 0, watched = 2, port = count > 1 ? atoi(arguments[1]) : 0;
    static struct pollfd fds[MOST_PUBLISHERS];
    fds[0] = (struct pollfd){listen_on(port), POLLIN, 0};
    fds[1] = (struct pollfd){listen_on(port + 1), POLLIN, 0};
    for (;;) {
        poll(fds, watched, -1);
        if (fds[0].revents && connected < MOST) {
            int fd = accept(fds[0].fd, NULL, NULL);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections[connected++] = fd;
        }
        if (fds[1].revents && watched < MOST_PUBLISHERS)
            fds[watched++] = (struct pollfd){accept(fds[1].fd, NULL, NULL), POLLIN, 0};
        for (int i = 2; i < watched; i++) {
            if (!fds[i].revents)
                continue;
            char *body;
            int length = read_body(fds[i].fd, &body);
            if (length < 0) {
                close(fds[i].fd);
                fds[i--] = fds[--watched];
                continue;
            }
            for (int c = 0; c < connected; c++)
                send(connections[c], body, length, MSG_NOSIGNAL);
            static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            send(fds[i].fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        }
    }
}
