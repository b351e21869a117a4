/*
 * One thread that serves two channels: it sleeps on both bells at once (futex_waitv), or on one epoll with an
 * eventfd for each. Store buffers and generations as in ring.pml; these rings never fill.
 *
 * Property. All messages of both writers arrive, and no run ends with the reader asleep.
 *
 * Size: MESSAGES of each writer. Variants: futexes, or with DESCRIPTOR eventfds, where one channel stays armed
 * while the other is served.
 * Twins that have to fail:
 *   LOOK_AT_FIRST      the second look is at the first channel only
 *   NO_FENCE_PARK      the parked words are set with plain stores
 *   LATE_BELLS         the bells are read after the second look
 *   ONE_BELL           both writers share one bell of one bit
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif

byte write_position[2];
byte parked[2];
byte bell[2];
bool eventfd[2];

/* What each writer knows of the parked word: its last value, and the one that it has rung for. */
byte seen[2], rung[2];

/* The reader in the kernel: in which queues it is, and whether it sleeps. */
bool queued[2];
bool sleeps;

/* ---- processor: the store buffer of the reader ---- */

chan buffer = [2] of { byte, byte };

#define STORE(i, value) buffer!i, value

active proctype memory() {
  byte i, value;
end:
  do
  :: d_step { buffer?i, value -> parked[i] = value; i = 0; value = 0 }
  od
}

/* ---- twins ---- */

#define IS_KNOWN(i, g) (g == rung[i] || g == seen[i])
#define FRESH(i)       (!IS_KNOWN(i, 1) -> 1 : (!IS_KNOWN(i, 2) -> 2 : 3))

#ifdef NO_FENCE_PARK
#define PARK(i) STORE(i, FRESH(i))
#else
#define PARK(i) d_step { empty(buffer) -> parked[i] = FRESH(i) }
#endif

#ifdef ONE_BELL
#define BELL(i) bell[0]
#define RING(i) bell[0] = 1 - bell[0]
#else
#define BELL(i) bell[i]
#define RING(i) bell[i] = (bell[i] + 1) % 4
#endif

#ifdef LOOK_AT_FIRST
#define LOOK_AT_SECOND skip
#else
#define LOOK_AT_SECOND is_ready = is_ready || write_position[1] != next1
#endif

/* ---- the writers ---- */

active [2] proctype writer() {
  byte me = _pid - 1;
  do
  :: write_position[me] == MESSAGES -> break
  :: else ->
    write_position[me] = write_position[me] + 1;
    seen[me] = (parked[me] != rung[me] -> parked[me] : 0);
    if
    :: seen[me] != 0 ->
      RING(me);
      d_step {
        rung[me] = seen[me];
        seen[me] = 0;
        eventfd[me] = 1;
        sleeps = sleeps && !queued[me]
      }
    :: else
    fi
  od
}

/* ---- the reader ---- */

byte next0, next1;

#define HAVE_ALL_ARRIVED (next0 == MESSAGES && next1 == MESSAGES)

#ifndef DESCRIPTOR

byte heard0, heard1;
bool is_ready;

/* The kernel takes one word after the other, and queues us there unless it has changed. */
#define QUEUE(i, heard)                          \
  d_step {                                       \
    queued[i] = (BELL(i) == heard);              \
    sleeps = sleeps && queued[i]                 \
  }

inline futex_waitv() {
  sleeps = 1;
  QUEUE(0, heard0);
  QUEUE(1, heard1);
  !sleeps;
  d_step { queued[0] = 0; queued[1] = 0 }
}

inline read_bells() {
  heard0 = BELL(0);
  heard1 = BELL(1)
}

inline park_and_look() {
  PARK(0);
  PARK(1);
  is_ready = write_position[0] != next0;
  LOOK_AT_SECOND
}

active proctype reader() {
  do
  :: next0 = write_position[0];
    next1 = write_position[1];
    if
    :: HAVE_ALL_ARRIVED -> break
    :: else
    fi;
#ifdef LATE_BELLS
    park_and_look();
    read_bells();
#else
    read_bells();
    park_and_look();
#endif
    if
    :: is_ready
    :: else -> futex_waitv()
    fi;
    STORE(0, 0);
    STORE(1, 0);
    d_step { heard0 = 0; heard1 = 0; is_ready = 0 }
  od
}

#else

/* Takes what there is and arms, until nothing came in between. */
inline serve(i, next) {
  do
  :: next = write_position[i];
    PARK(i);
    if
    :: write_position[i] == next -> break
    :: else -> STORE(i, 0)
    fi
  od
}

active proctype reader() {
  serve(0, next0);
  serve(1, next1);
  do
  :: HAVE_ALL_ARRIVED -> break
  :: !HAVE_ALL_ARRIVED && eventfd[0] -> STORE(0, 0); eventfd[0] = 0; serve(0, next0)
  :: !HAVE_ALL_ARRIVED && eventfd[1] -> STORE(1, 0); eventfd[1] = 0; serve(1, next1)
  od
}

#endif
