/// One thread, one epoll instance, every connection.
