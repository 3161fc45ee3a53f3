// As much of Arduino as docs/examples/head.ino needs, on a computer: Serial is standard input
// and output, and what the servos are told goes to standard error.
#pragma once
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const int LOW = 0, INPUT_PULLUP = 2;

inline unsigned long millis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (unsigned long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

inline int digitalRead(int) { return 1; }
inline void pinMode(int, int) {}

struct SerialPort {
  char bytes[256];
  ssize_t n = 0, at = 0;
  void begin(long) {}
  int available() {
    if (at < n) return 1;
    pollfd in = {0, POLLIN, 0};
    if (poll(&in, 1, 2) <= 0) return 0;
    n = read(0, bytes, sizeof bytes);
    if (n <= 0) _exit(0);
    at = 0;
    return 1;
  }
  int read1() { return bytes[at++]; }
  ssize_t read(int fd, void *to, size_t most) { return ::read(fd, to, most); }
  int read() { return read1(); }
  void print(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(0);
  }
};
inline SerialPort Serial;
