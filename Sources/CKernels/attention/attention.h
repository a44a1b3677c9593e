// Attention over the key/value cache by tiles of positions with an online softmax (Dao et al., "FlashAttention", 2022):
// every query keeps its greatest score so far, the sum of its weights and the weighted sum of values, and scales the sums
// down when a greater score comes. Nothing grows with the context.
//
// Beside what cache.h asks for, the including file defines
//   TILE_QUERIES, TILE_VECTORS   queries and vectors of a register tile
//   key_codes                    PI_LANES groups of four 8-bit codes in registers
//   read_key_codes(p)            such groups, read from p
//   dot_codes(sum, keys, query)  per lane: sum + the products of its four codes with the four of `query`; keys count
//                                KEY_OFFSET more than they are
//
// Tiles begin at multiples of PI_ATTENTION_TILE and chunks at multiples of their size, and within them one function adds in
// one order, so a query's result depends on itself and the cache alone: not on the tokens beside it nor on how work was
// divided.

enum { TILE = PI_ATTENTION_TILE };

// A query's part of the softmax: what pi_attention_state_floats describes.
enum { MAXIMUM = 0, SUM = 1, ACCUMULATED = 16 };

// e^x for x up to about 0: below -87, where it would become denormal, it is 0. NaN stays.
PI_INLINE vf decay(vf x) {
  // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
  const vf magic = splat(12582912.0f);
  const vf shifted = x * splat(1.44269504f) + magic;
  const vf n = shifted - magic;
  const vf r = x - n * splat(0.693359375f) - n * splat(-2.12194442e-4f);
  const vf power = (vf)(((vi)shifted << 23) + (127 << 23));
  return choose(x < splat(-87), (vf){0}, exponential_near_zero(r) * power);
}

PI_INLINE float decay_of(float x) { return decay(splat(x))[0]; }

// The greatest lane of a vector without NaN.
PI_INLINE float greatest_lane(vf v) {
  PI_UNROLL
  for (size_t half = PI_LANES / 2; half > 0; half /= 2) {
    vf other = v;
    PI_UNROLL
    for (size_t j = 0; j < half; j++) other[j] = v[j + half];
    v = choose(other > v, other, v);
  }
  return v[0];
}

#include "attention/attention_scores.h"

// Turns a query's scores of the `count` positions that it sees in a tile into weights relative to its greatest score so far,
// and adds them to its sum. Returns the factor that makes what was accumulated before relative to the same. A greatest
// score of -infinity leaves every weight 0; one of infinity makes them NaN.
PI_INLINE float weigh(float *scores, size_t count, float scale, float *state) {
  const size_t whole = (count + PI_LANES - 1) / PI_LANES * PI_LANES;
  for (size_t i = count; i < whole; i++) scores[i] = -INFINITY;
  vf most = splat(-INFINITY);
  for (size_t i = 0; i < whole; i += PI_LANES) {
    const vf v = load(scores + i);
    most = choose(v > most, v, most);
  }
  float greatest = greatest_lane(most) * scale;
  const float before = state[MAXIMUM];
  const bool rises = greatest > before;
  if (!rises) greatest = before;
  const vf top = splat(greatest > -INFINITY ? greatest : 0);
  vf sum = {0};
  for (size_t i = 0; i < whole; i += PI_LANES) {
    const vf weight = decay(load(scores + i) * scale - top);
    store(scores + i, weight);
    sum += weight;
  }
  // Before the first score there was nothing to scale.
  const float factor = !rises ? 1 : before == -INFINITY ? 0 : decay_of(before - greatest);
  state[MAXIMUM] = greatest;
  state[SUM] = state[SUM] * factor + sum_lanes(sum);
  return factor;
}

// sums = sums * factor + weights * values for `count` queries, `vectors` vectors of columns (both constant) from column
// `column` on and the positions from `begin` to `end` of a tile. What lies `ahead` bytes further is prefetched, unless that is 0.
PI_INLINE void add_values(uint32_t format, const float *weights, size_t count, const uint8_t *values, size_t bytes,
                          size_t ahead, size_t begin, size_t end, size_t column, size_t vectors, const float *factors,
                          float *states, size_t stride) {
  vf sum[TILE_QUERIES][TILE_VECTORS];
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) {
      sum[g][v] = load(states + g * stride + ACCUMULATED + column + v * PI_LANES) * factors[g];
    }
  for (size_t p = begin; p < end; p++) {
    vf value[TILE_VECTORS];
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) value[v] = value_at(format, values + p * bytes, column + v * PI_LANES);
    if (format != PI_F32 && ahead != 0) {
      const size_t from = row_bytes(format, PI_BLOCK) * column / PI_BLOCK;
      const size_t width = row_bytes(format, PI_BLOCK) * vectors * PI_LANES / PI_BLOCK;
      PI_UNROLL
      for (size_t at = 0; at < width; at += LINE) ask_line(values + p * bytes + from + at, ahead);
    }
    PI_UNROLL
    for (size_t g = 0; g < count; g++) {
      const vf weight = splat(weights[g * TILE + p]);
      PI_UNROLL
      for (size_t v = 0; v < vectors; v++) sum[g][v] += weight * value[v];
    }
  }
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) store(states + g * stride + ACCUMULATED + column + v * PI_LANES, sum[g][v]);
}

PI_INLINE void add_columns(uint32_t format, const float *weights, size_t count, const uint8_t *values, size_t bytes,
                           size_t ahead, size_t begin, size_t end, size_t columns, const float *factors, float *states,
                           size_t stride) {
  size_t c = 0;
  for (; c + TILE_VECTORS * PI_LANES <= columns; c += TILE_VECTORS * PI_LANES) {
    add_values(format, weights, count, values, bytes, ahead, begin, end, c, TILE_VECTORS, factors, states, stride);
  }
  for (; c < columns; c += PI_LANES) {
    add_values(format, weights, count, values, bytes, ahead, begin, end, c, 1, factors, states, stride);
  }
}

// What one call works with.
typedef struct {
  const float *queries;  // [queries, head size]
  query_codes codes;     // their 8-bit form, where the keys are Q8_0
  size_t tokens, group, visible;
  float scale;
  // Many queries share the work of turning keys and values into floats, few do without.
  bool converts;
  float *keys;    // [TILE / KEY_BLOCK, head size, KEY_BLOCK]
  float *values;  // [TILE, padded head size]
  float *scores;  // [queries, TILE]
} attention;

// From what lies in a tile to what is read next in its place, 0 for nothing: the same positions of another head or sequence.
PI_INLINE size_t next_tile(const pi_cache_head *head, size_t tile) {
  const size_t page = tile / PI_ATTENTION_TILE;
  if (page >= head->next_count) return 0;
  return (uintptr_t)head->next_pages[page] + head->next_key_offset - ((uintptr_t)head->pages[page] + head->key_offset);
}

// Scores of the queries from `first` on with the first `positions` positions of the tile at `tile`.
PI_INLINE void score_tile(const pi_cache_head *head, const attention *a, size_t first, size_t tile, size_t positions) {
  const size_t all = a->tokens * a->group, size = head->head_size;
  const uint8_t *keys = page_keys(head, tile);
  const size_t step = (head->key_format == PI_Q8_0 ? CODE_VECTORS : TILE_VECTORS) * PI_LANES;
  if (a->converts && head->key_format == PI_F16) {
    key_floats(keys, (positions + KEY_BLOCK - 1) / KEY_BLOCK * KEY_BLOCK * size, a->keys);
  }
  for (size_t p = 0; p < positions; p += step) {
    for (size_t q = first; q < all; q += TILE_QUERIES) {
      float *scores = a->scores + q * TILE;
      const float *queries = a->queries + q * size;
      const bool reads_cache = !a->converts || head->key_format == PI_Q8_0;
      const size_t ahead = q == first && reads_cache ? next_tile(head, tile) : 0;
#define CALL(n) score_codes(a->codes, q, n, size, keys, ahead, p, scores)
      if (head->key_format == PI_Q8_0) {
        WITH_CONSTANT(all - q, CALL)
      }
#undef CALL
#define CALL(n) score_floats(PI_F32, queries, n, size, (const uint8_t *)a->keys, 0, p, TILE_VECTORS, scores)
      else if (a->converts) {
        WITH_CONSTANT(all - q, CALL)
      }
#undef CALL
#define CALL(n) score_floats(PI_F16, queries, n, size, keys, ahead, p, TILE_VECTORS, scores)
      else if (positions - p > step / 2) {
        WITH_CONSTANT(all - q, CALL)
      }
#undef CALL
      // The tile has at most half of these positions: the keys of the others are not read.
#define CALL(n) score_floats(PI_F16, queries, n, size, keys, ahead, p, TILE_VECTORS / 2, scores)
      else {
        WITH_CONSTANT(all - q, CALL)
      }
#undef CALL
    }
  }
}

// Adds the values of the tile at `tile` to the sums of `count` queries from query `q` on, of which query i sees seen[i]
// positions, no fewer than the one before.
PI_INLINE void add_tile(const pi_cache_head *head, const attention *a, size_t q, size_t count, size_t tile,
                        const size_t *seen, const float *factors, float *states, size_t stride) {
  const size_t size = head->head_size;
  const uint32_t format = a->converts ? PI_F32 : head->value_format;
  const size_t columns = a->converts ? (size + PI_LANES - 1) / PI_LANES * PI_LANES : size;
  const size_t bytes = a->converts ? pi_attention_padded(size) * 4 : row_bytes(format, size);
  const uint8_t *values = a->converts ? (const uint8_t *)a->values : page_values(head, tile);
  const float *weights = a->scores + q * TILE;
  float *sums = states + q * stride;
  const size_t ahead = q == 0 && !a->converts ? next_tile(head, tile) : 0;
#define CALL(n) add_columns(PI_F32, weights, n, values, bytes, ahead, 0, seen[0], columns, factors, sums, stride)
  if (format == PI_F32) {
    WITH_CONSTANT(count, CALL)
  }
#undef CALL
#define CALL(n) add_columns(PI_F16, weights, n, values, bytes, ahead, 0, seen[0], columns, factors, sums, stride)
  else if (format == PI_F16) {
    WITH_CONSTANT(count, CALL)
  }
#undef CALL
#define CALL(n) add_columns(PI_Q8_0, weights, n, values, bytes, ahead, 0, seen[0], columns, factors, sums, stride)
  else {
    WITH_CONSTANT(count, CALL)
  }
#undef CALL
  // On the diagonal later queries see more.
  const float one = 1;
  for (size_t i = 1; i < count; i++) {
    if (seen[i] == seen[0]) continue;
    const float *weight = weights + i * TILE;
    float *sum = sums + i * stride;
    if (format == PI_F32) {
      add_columns(PI_F32, weight, 1, values, bytes, ahead, seen[0], seen[i], columns, &one, sum, stride);
    } else if (format == PI_F16) {
      add_columns(PI_F16, weight, 1, values, bytes, ahead, seen[0], seen[i], columns, &one, sum, stride);
    } else {
      add_columns(PI_Q8_0, weight, 1, values, bytes, ahead, seen[0], seen[i], columns, &one, sum, stride);
    }
  }
}

// Asks for memory that is read next: rows are too short, and tiles change too often, for the hardware to see it coming.
PI_INLINE void fetch(const uint8_t *from, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 3);
}

// The first token that sees position `p`.
PI_INLINE size_t first_token(const attention *a, size_t p) { return p < a->visible ? 0 : p - a->visible + 1; }

// States of the queries over the positions from `begin` to `end`, a chunk.
static void PI_NAME(attend_chunk)(const pi_cache_head *head, const attention *a, size_t begin, size_t end,
                                  float *states, size_t stride) {
  const size_t all = a->tokens * a->group, size = head->head_size;
  const size_t key_bytes = row_bytes(head->key_format, size), value_bytes = row_bytes(head->value_format, size);
  for (size_t q = 0; q < all; q++) {
    float *state = states + q * stride;
    memset(state, 0, stride * sizeof *state);
    state[MAXIMUM] = -INFINITY;
  }
  for (size_t tile = begin; tile < end; tile += TILE) {
    const size_t positions = end - tile < TILE ? end - tile : TILE;
    const size_t first = first_token(a, tile) * a->group;
    if (!a->converts) fetch(page_values(head, tile), positions * value_bytes);
    score_tile(head, a, first, tile, positions);
    if (!a->converts && tile + TILE < end) {
      const size_t next = end - tile - TILE < TILE ? end - tile - TILE : TILE;
      fetch(page_keys(head, tile + TILE), next * key_bytes);
    }
    if (a->converts) {
      value_floats(head->value_format, page_values(head, tile), positions, size, pi_attention_padded(size), a->values);
    }
    for (size_t q = first; q < all; q += TILE_QUERIES) {
      const size_t count = all - q < TILE_QUERIES ? all - q : TILE_QUERIES;
      size_t seen[TILE_QUERIES];
      float factors[TILE_QUERIES];
      for (size_t i = 0; i < count; i++) {
        const size_t sight = a->visible + (q + i) / a->group - tile;
        seen[i] = sight < positions ? sight : positions;
        factors[i] = weigh(a->scores + (q + i) * TILE, seen[i], a->scale, states + (q + i) * stride);
      }
      add_tile(head, a, q, count, tile, seen, factors, states, stride);
    }
  }
}

// Adds one state of a query to another; the second is of later positions. Not inlined: a compiler may fuse one product with
// the sum or the other, and every caller must get the same bits.
static __attribute__((noinline)) void PI_NAME(merge_state)(float *state, const float *other, size_t stride) {
  const float a = state[MAXIMUM], b = other[MAXIMUM];
  const float greatest = b > a ? b : a;
  const float fa = a == greatest ? 1 : decay_of(a - greatest), fb = b == greatest ? 1 : decay_of(b - greatest);
  state[MAXIMUM] = greatest;
  state[SUM] = state[SUM] * fa + other[SUM] * fb;
  for (size_t c = ACCUMULATED; c < stride; c += PI_LANES) {
    const vf scaled = load(other + c) * fb;
    store(state + c, load(state + c) * fa + scaled);
  }
}

static void PI_NAME(attend)(const pi_cache_head *head, const float *queries, size_t tokens, size_t group, size_t visible,
                            size_t begin, size_t end, size_t chunk, float scale, void *scratch, float *states) {
  const size_t size = head->head_size, all = tokens * group, stride = pi_attention_state_floats(size);
  float *next = scratch;
  attention a = {.queries = queries, .tokens = tokens, .group = group, .visible = visible, .scale = scale};
  a.converts = all > TILE_QUERIES || size % PI_LANES != 0;
  a.keys = next;
  next += TILE * size;
  a.values = next;
  next += TILE * pi_attention_padded(size);
  a.scores = next;
  next += all * TILE;
  float *later = next;
  next += all * stride;
  if (head->key_format == PI_Q8_0) {
    a.codes.scales = next;
    next += all * (size / PI_BLOCK);
    a.codes.starts = (int32_t *)(void *)next;
    next += all * (size / PI_BLOCK);
    a.codes.codes = (int8_t *)next;
    quantize_queries(queries, all, size, a.codes);
  }
  const size_t last = visible + tokens - 1;
  if (end > last) end = last;
  for (size_t from = begin; from < end; from += chunk) {
    const size_t to = end - from < chunk ? end : from + chunk;
    PI_NAME(attend_chunk)(head, &a, from, to, from == begin ? states : later, stride);
    if (from == begin) continue;
    for (size_t q = first_token(&a, from) * group; q < all; q++) {
      PI_NAME(merge_state)(states + q * stride, later + q * stride, stride);
    }
  }
}

static void PI_NAME(merge)(float *states, size_t count, size_t step, size_t head_size, float *out) {
  const size_t stride = pi_attention_state_floats(head_size);
  for (size_t i = 1; i < count; i++) PI_NAME(merge_state)(states, states + i * step, stride);
  const float factor = 1 / states[SUM];
  for (size_t c = 0; c < head_size; c++) out[c] = states[ACCUMULATED + c] * factor;
}
