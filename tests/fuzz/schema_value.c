/* msgpack against the procedures of an interface: the first byte chooses one, its side, and how old the other program
 * is. What an equal program may say, a newer one may say as well. */
#include <string.h>

#include "core/schema/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "interface f 1 {\n"
    "  enum closed { a = 1, b = -2 }  enum open { x, ... }\n"
    "  struct point { u8 x; optional i8 y; optional closed z; u8 key[4]; }\n"
    "  union either { u8 a; void b; point c; ... }\n"
    "  a(u8 a, i16 b, u32 c, i64 d, bool e, f32 f, f64 g, optional string<9> h);\n"
    "  b(list<point> a, map<string, either> b, inout optional list<u16[2]> c) -> (either d);\n"
    "  c(map<i8, map<bool, list<bytes<3>, 2>>, 3> a, open b, closed c) -> (point d);\n"
    "  d();\n"
    "}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tl_schema *schema;
  static struct tl_schema_fault fault;
  if (!schema) TL_ASSERT(!tl_schema_read(text, sizeof text - 1, NULL, &schema));
  if (!size) return 0;
  const struct tl_schema_procedure *p = schema->self.procedures.first;
  for (unsigned i = data[0] & 3; i > 0; i--) p = p->next;
  enum tl_schema_direction side = data[0] & 4 ? TL_SCHEMA_OUT : TL_SCHEMA_IN;
  int equal = tl_schema_judge(p, side, false, data + 1, size - 1, &fault);
  TL_ASSERT(!equal || strnlen(fault.place, sizeof fault.place) < sizeof fault.place);
  int newer = tl_schema_judge(p, side, true, data + 1, size - 1, &fault);
  TL_ASSERT(equal || !newer);
  TL_ASSERT(equal == 0 || equal == TULLE_E_BAD_MESSAGE);
  return 0;
}
