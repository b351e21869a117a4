#include "crypto/parameters.h"

#include "core/time.h"

const struct tl_parameters tl_parameters_default = {
    .retransmit_first_ns = 100 * TL_MS,
    .retransmit_cap_ns = 250 * TL_MS,
    .give_up_ns = 30 * TL_S,
    .cookie_keep_ns = 120 * TL_S,

    .cookie_secret_ns = 120 * TL_S,
    .half_open_ns = 10 * TL_S,
    .half_open_per_source = 8,
    .bad_finish_max = 32,
    .source_rate = 20,
    .source_burst = 5,
    .node_rate = 500,
    .node_burst = 50,

    .rekey_after_ns = 120 * TL_S,
    .rekey_jitter_ns = 10 * TL_S,
    .rekey_after_packets = UINT64_C(1) << 32,
    .rekey_after_bytes = UINT64_C(1) << 40,
    .end_after_ns = 180 * TL_S,
    .end_after_packets = UINT64_C(1) << 40,
    .end_after_forgeries = UINT64_C(1) << 36,
    .keep_old_ns = 10 * TL_S,

    .invitation_ns = 15 * 60 * TL_S,
    .invitation_bad_max = 3,
    .previous_admission_ns = 24 * 3600 * TL_S,
    .clone_window_ns = 60 * TL_S,
    .clone_changes_max = 3,
    .clone_refuse_ns = 600 * TL_S,
};
