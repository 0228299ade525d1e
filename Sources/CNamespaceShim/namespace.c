// Network namespaces and TUN devices.
#define _GNU_SOURCE
#include "CNamespaceShim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int cns_current(void) {
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cns_enter(int space) { return setns(space, CLONE_NEWNET) < 0 ? -errno : 0; }

int cns_enter_new(void) { return unshare(CLONE_NEWNET) < 0 ? -errno : 0; }

static struct ifreq request_for(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return request;
}

static int raise_device(int fd, const char *name) {
    struct ifreq request = request_for(name);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) return -errno;
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static void set_address(struct ifreq *request, uint32_t address) {
    struct sockaddr_in *field = (struct sockaddr_in *)&request->ifr_addr;
    memset(field, 0, sizeof *field);
    field->sin_family = AF_INET;
    field->sin_addr.s_addr = htonl(address);
}

static int control_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int cns_raise_loopback(void) {
    int fd = control_socket();
    if (fd < 0) return fd;
    int result = raise_device(fd, "lo");
    close(fd);
    return result;
}

static int configure(int fd, const char *name, uint32_t address, int prefix, int queue_length) {
    struct ifreq request = request_for(name);
    set_address(&request, address);
    if (ioctl(fd, SIOCSIFADDR, &request) < 0) return -errno;
    set_address(&request, prefix == 0 ? 0 : ~(uint32_t)0 << (32 - prefix));
    if (ioctl(fd, SIOCSIFNETMASK, &request) < 0) return -errno;
    request = request_for(name);
    request.ifr_qlen = queue_length;
    if (ioctl(fd, SIOCSIFTXQLEN, &request) < 0) return -errno;
    return raise_device(fd, name);
}

int cns_open_tunnel(const char *name, uint32_t address, int prefix, int queue_length) {
    int tunnel = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tunnel < 0) return -errno;
    struct ifreq request = request_for(name);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    int result = ioctl(tunnel, TUNSETIFF, &request) < 0 ? -errno : 0;
    int control = result < 0 ? result : control_socket();
    if (control >= 0) {
        result = configure(control, name, address, prefix, queue_length);
        close(control);
    } else {
        result = control;
    }
    if (result == 0) return tunnel;
    close(tunnel);
    return result;
}
