/*
 * One ring, its writer and its reader, both of which sleep: the protocol of transport/ring/park.c on a
 * processor with store buffers (TSO: x86), as Spin can check it exhaustively.
 *
 * Memory. `mem` is what all see. A plain store goes into the buffer of its process first and reaches memory
 * later, in order; a seq_cst store, a read-modify-write or a fence waits until the own buffer is empty. Every
 * word has one writer and is not read back by it, so a load takes it from memory.
 *
 * Property. All MESSAGES arrive in order, and no run ends with anyone asleep: nothing here ends a sleep but
 * a wake, so a lost one is a deadlock, which Spin reports.
 *
 * Bells count modulo 4, less than in memory: what holds for them holds for more. Of a generation only equality
 * matters, so a new one is any value that the waker does not remember.
 *
 * Sizes: MESSAGES, CAP (records that fit). Variants of the reader: on a futex, or with DESCRIPTOR on an eventfd.
 * Twins that have to fail:
 *   NO_FENCE_PUBLISH   the writer publishes with a plain store and no fence
 *   NO_FENCE_PARK      the parked word is set with a plain store
 *   NO_FENCE_ROOM      the reader gives room back and looks for the writer with plain stores only
 *   NO_SECOND_LOOK     straight to sleep after setting the parked word
 *   LATE_FLAG          the second look comes before the parked word is set
 *   ONE_BIT_BELL       the bell counts modulo 2
 *   LATE_BELL          the bell is read after the second look
 *   NO_GENERATION      the parked word is always the same
 */
#ifndef MESSAGES
#define MESSAGES 8
#endif
#ifndef CAP
#define CAP 2
#endif

/* The words, and CAP slots of data behind them. */
#define WRITE_POSITION 0
#define READ_POSITION  1
#define READER_PARKED  2
#define WRITER_PARKED  3
#define WRITER_BELL    4
#define READER_BELL    5
#define DATA           6

byte mem[6 + CAP];
byte eventfd;
bool reader_sleeps, writer_sleeps;

/* What each knows of the other's parked word: its last value, and the one that it has rung for. */
byte writer_seen, writer_rung, reader_seen, reader_rung;

/* ---- processor ---- */

chan writer_buffer = [2] of { byte, byte };
chan reader_buffer = [2] of { byte, byte };

#define STORE(buffer, word, value)         buffer!word, value
#define STORE_SEQ_CST(buffer, word, value) d_step { empty(buffer) -> mem[word] = value }
#define FENCE(buffer)                      empty(buffer)

active proctype memory() {
  byte word, value;
end:
  do
  :: d_step { writer_buffer?word, value -> mem[word] = value; word = 0; value = 0 }
  :: d_step { reader_buffer?word, value -> mem[word] = value; word = 0; value = 0 }
  od
}

/* ---- kernel ---- */

/* Sleeps while the word is as heard; both in one step, as the kernel does. */
#define FUTEX_WAIT(word, sleeps)                                   \
  atomic {                                                         \
    if                                                             \
    :: mem[word] == heard -> sleeps = 1                            \
    :: else                                                        \
    fi                                                             \
  };                                                               \
  !sleeps

#define FUTEX_WAKE(sleeps) sleeps = 0

/* ---- twins ---- */

#ifdef NO_FENCE_PUBLISH
#define PUBLISH(value) STORE(writer_buffer, WRITE_POSITION, value)
#else
#define PUBLISH(value) STORE(writer_buffer, WRITE_POSITION, value); FENCE(writer_buffer)
#endif

#ifdef NO_FENCE_PARK
#define PARK(buffer, word, value) STORE(buffer, word, value)
#else
#define PARK(buffer, word, value) STORE_SEQ_CST(buffer, word, value)
#endif

#ifdef NO_FENCE_ROOM
#define GIVE_ROOM(value) STORE(reader_buffer, READ_POSITION, value)
#else
#define GIVE_ROOM(value) STORE_SEQ_CST(reader_buffer, READ_POSITION, value)
#endif

#ifdef ONE_BIT_BELL
#define RING(buffer, word) d_step { empty(buffer) -> mem[word] = 1 - mem[word] }
#else
#define RING(buffer, word) d_step { empty(buffer) -> mem[word] = (mem[word] + 1) % 4 }
#endif

#ifdef NO_GENERATION
#define FRESH(waker) 1
#else
#define IS_KNOWN(waker, g) (g == waker##_rung || g == waker##_seen)
#define FRESH(waker)       (!IS_KNOWN(waker, 1) -> 1 : (!IS_KNOWN(waker, 2) -> 2 : 3))
#endif

/* What comes before a sleep. `heard` and `is_ready` are private to each process. */
#define READ_BELL(bell) heard = mem[bell]
#define LOOK(condition) is_ready = (condition)

#if defined(LATE_BELL)
#define PREPARE(bell, park, condition) park; LOOK(condition); READ_BELL(bell)
#elif defined(LATE_FLAG)
#define PREPARE(bell, park, condition) READ_BELL(bell); LOOK(condition); park
#elif defined(NO_SECOND_LOOK)
#define PREPARE(bell, park, condition) READ_BELL(bell); park
#else
#define PREPARE(bell, park, condition) READ_BELL(bell); park; LOOK(condition)
#endif

#define PARK_WRITER PARK(writer_buffer, WRITER_PARKED, FRESH(reader))
#define PARK_READER PARK(reader_buffer, READER_PARKED, FRESH(writer))

/* ---- the writer ---- */

/* A step is at most one access to what others see, with what is private around it. */
inline publish() {
  if
  :: published != head ->
    PUBLISH(head);
    d_step {
      published = head;
      writer_seen = (mem[READER_PARKED] != writer_rung -> mem[READER_PARKED] : 0)
    };
    if
    :: writer_seen != 0 ->
      RING(writer_buffer, WRITER_BELL);
      d_step {
        writer_rung = writer_seen;
        writer_seen = 0;
#ifdef DESCRIPTOR
        eventfd = 1
#else
        FUTEX_WAKE(reader_sleeps)
#endif
      }
    :: else
    fi
  :: else
  fi
}

inline wait_for_room() {
  publish();
  tail = mem[READ_POSITION];
  do
  :: head - tail < CAP -> break
  :: else ->
    PREPARE(READER_BELL, PARK_WRITER, mem[READ_POSITION] != tail);
    if
    :: is_ready
    :: else -> FUTEX_WAIT(READER_BELL, writer_sleeps)
    fi;
    STORE(writer_buffer, WRITER_PARKED, 0);
    d_step { heard = 0; is_ready = 0; tail = mem[READ_POSITION] }
  od
}

active proctype writer() {
  byte head, published, tail, heard;
  bool is_ready;
  do
  :: head == MESSAGES -> break
  :: else ->
    if
    :: head - tail == CAP -> wait_for_room()
    :: else
    fi;
    atomic { STORE(writer_buffer, DATA + head % CAP, head + 1); head++ };
    if
    :: publish()
    :: skip /* with the next ones */
    fi
  od;
  publish()
}

/* ---- the reader ---- */

/* A writer is worth waking when half of the ring is free. */
#define ENOUGH ((CAP + 1) / 2)

inline look_for_writer() {
  GIVE_ROOM(next);
  d_step {
    looked = next;
    reader_seen = (mem[WRITER_PARKED] != reader_rung -> mem[WRITER_PARKED] : 0)
  };
  d_step {
    if
    :: reader_seen != 0 && CAP - (mem[WRITE_POSITION] - next) < ENOUGH -> reader_seen = 0
    :: else
    fi
  };
  if
  :: reader_seen != 0 ->
    RING(reader_buffer, READER_BELL);
    d_step { reader_rung = reader_seen; reader_seen = 0; FUTEX_WAKE(writer_sleeps) }
  :: else
  fi
}

/* What was published is there, is the next one, and has not been overwritten. */
inline take() {
  atomic {
    assert(mem[DATA + next % CAP] == next + 1);
    next++;
    STORE(reader_buffer, READ_POSITION, next)
  };
  if
  :: look_for_writer()
  :: next - looked < ENOUGH -> skip
  fi
}

inline wait_for_records() {
  if
  :: looked != next -> look_for_writer()
  :: else
  fi;
  PREPARE(WRITER_BELL, PARK_READER, mem[WRITE_POSITION] != head);
  if
  :: is_ready
#ifdef DESCRIPTOR
  :: else -> eventfd != 0
#else
  :: else -> FUTEX_WAIT(WRITER_BELL, reader_sleeps)
#endif
  fi;
  STORE(reader_buffer, READER_PARKED, 0);
  d_step { heard = 0; is_ready = 0; eventfd = 0 }
}

active proctype reader() {
  byte next, head, looked, heard;
  bool is_ready;
  do
  :: next == MESSAGES -> break
  :: next != MESSAGES && next != head -> take()
  :: next != MESSAGES && next == head ->
    d_step { head = mem[WRITE_POSITION]; assert(head - next <= CAP) };
    if
    :: head == next -> wait_for_records()
    :: else
    fi
  od;
  if
  :: looked != next -> look_for_writer()
  :: else
  fi
}
