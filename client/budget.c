#include "client/budget.h"

__thread uint64_t tl_budget_deadline __attribute__((tls_model("initial-exec")));
