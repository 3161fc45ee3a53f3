#pragma once
#include "Arduino.h"

struct Servo {
  int pin = -1;
  void attach(int at) { fprintf(stderr, "attach %d\n", pin = at); }
  void detach() { fprintf(stderr, "detach %d\n", pin); pin = -1; }
  void writeMicroseconds(int us) { if (pin >= 0) fprintf(stderr, "pulse %d %d\n", pin, us); }
};
