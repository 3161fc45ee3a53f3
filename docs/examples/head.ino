// A pan-tilt head of two hobby servos for `retina`: version 1 of the protocol in docs/heads.md.
//
// Angles are hundredths of a degree. The board keeps the limits of angle that it is given and
// holds still when it hears nothing; speed and acceleration are kept by the host.

#include <Servo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const long BAUD = 500000;
const int PINS[2] = {9, 10};                    // pan, tilt
const int CENTRE_US[2] = {1500, 1500};          // pulse at 0 degrees
const float US_PER_DEGREE[2] = {11.1f, 11.1f};  // 500 to 2500 us over 180 degrees
const int FAULT_PIN = -1;                       // pulled to ground by a current guard; -1: none

enum State { OFF, ARMED, HELD, STOPPED };
const char *const NAMES[] = {"off", "armed", "held", "stopped"};

Servo servos[2];
State state = OFF;
long position[2] = {0, 0};
long limits[4] = {-9000, 9000, -9000, 9000};
unsigned long watchdog_ms = 500;
unsigned long heard_ms = 0;
char line[64];
size_t length = 0;

uint8_t crc8(const char *text, size_t n) {
  uint8_t value = 0;
  for (size_t i = 0; i < n; i++) {
    value ^= (uint8_t)text[i];
    for (int bit = 0; bit < 8; bit++)
      value = (value & 0x80) ? (uint8_t)((value << 1) ^ 0x07) : (uint8_t)(value << 1);
  }
  return value;
}

void answer(const char *number, const char *text) {
  char out[80];
  int n = snprintf(out, sizeof out, "%s %s", number, text);
  if (n < 0 || n >= (int)sizeof out) return;
  char check[6];
  snprintf(check, sizeof check, "*%02X\n", crc8(out, (size_t)n));
  Serial.print(out);
  Serial.print(check);
}

void pulse() {
  for (int i = 0; i < 2; i++)
    servos[i].writeMicroseconds(CENTRE_US[i] + (int)(position[i] * US_PER_DEGREE[i] / 100));
}

bool faulty() { return FAULT_PIN >= 0 && digitalRead(FAULT_PIN) == LOW; }

// Returns how many whole numbers follow, or -1 where a word is none or there are too many.
int numbers(long *values, int most) {
  int n = 0;
  for (char *word = strtok(NULL, " "); word; word = strtok(NULL, " ")) {
    char *end;
    if (n == most) return -1;
    values[n++] = strtol(word, &end, 10);
    if (*end) return -1;
  }
  return n;
}

void carryOut(const char *number, const char *command) {
  char out[40];
  long values[4];
  int n = numbers(values, 4);
  char what = command[1] ? 0 : command[0];
  int wanted = what == 'G' ? 2 : what == 'L' ? 4 : what == 'W' ? 1 : 0;
  if (n != wanted) return answer(number, "err syntax");
  switch (what) {
    case 'H':
      return answer(number, "ok head 1");
    case 'L':
      for (int i = 0; i < 4; i++) limits[i] = values[i];
      return answer(number, "ok");
    case 'W':
      watchdog_ms = (unsigned long)values[0];
      return answer(number, "ok");
    case 'A':
      pulse();  // before the pulses begin, so that they begin right
      for (int i = 0; i < 2; i++) servos[i].attach(PINS[i]);
      pulse();
      state = ARMED;
      return answer(number, "ok");
    case 'G':
      if (state != ARMED) {
        snprintf(out, sizeof out, "err %s", NAMES[state]);
        return answer(number, out);
      }
      if (values[0] < limits[0] || values[0] > limits[1] || values[1] < limits[2] ||
          values[1] > limits[3])
        return answer(number, "err limit");
      position[0] = values[0];
      position[1] = values[1];
      pulse();
      return answer(number, "ok");
    case 'P':
      snprintf(out, sizeof out, "ok %ld %ld", position[0], position[1]);
      return answer(number, out);
    case 'Q':
      snprintf(out, sizeof out, "ok %s", faulty() ? "fault overload" : NAMES[state]);
      return answer(number, out);
    case 'S':
      state = STOPPED;
      return answer(number, "ok");
    case 'R':
      for (int i = 0; i < 2; i++) servos[i].detach();
      state = OFF;
      return answer(number, "ok");
    default:
      return answer(number, "err syntax");
  }
}

void take() {
  char *star = strrchr(line, '*');
  char check[4];
  if (star) snprintf(check, sizeof check, "%02X", crc8(line, (size_t)(star - line)));
  if (!star || strcmp(star + 1, check) != 0) return answer("-", "err checksum");
  *star = 0;
  char *number = strtok(line, " ");
  char *command = number ? strtok(NULL, " ") : NULL;
  if (!command) return answer("-", "err syntax");
  heard_ms = millis();
  carryOut(number, command);
}

void setup() {
  if (FAULT_PIN >= 0) pinMode(FAULT_PIN, INPUT_PULLUP);
  Serial.begin(BAUD);
}

void loop() {
  // The pulses go on as they are: the servos hold where they were sent last.
  if (state == ARMED && millis() - heard_ms > watchdog_ms) state = HELD;
  while (Serial.available()) {
    char c = (char)Serial.read();
    if (c == '\n') {
      if (length >= sizeof line) {
        answer("-", "err syntax");
      } else if (length > 0) {
        line[length] = 0;
        take();
      }
      length = 0;
    } else if (c != '\r' && length < sizeof line) {
      // One past the end marks a line that is too long; it is answered when it ends.
      if (length < sizeof line - 1) line[length] = c;
      length++;
    }
  }
}
