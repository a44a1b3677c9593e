// Inner loops of the engine, several instruction sets in one binary. Each set is one table of functions; Swift picks a table at start.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define PI_NONNULL _Nonnull
#define PI_NULLABLE _Nullable
#else
#define PI_NONNULL
#define PI_NULLABLE
#endif

// Numbers of the GGUF format.
enum {
  PI_F32 = 0,
  PI_F16 = 1,
  PI_Q4_0 = 2,
  PI_Q4_1 = 3,
  PI_Q5_0 = 6,
  PI_Q5_1 = 7,
  PI_Q8_0 = 8,
  PI_Q4_K = 12,
  PI_Q5_K = 13,
  PI_Q6_K = 14,
  PI_BF16 = 30,
};

// Added to Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0: the row's blocks are taken apart. First the scales of all blocks, then the minima, the
// words of fifth bits and the codes, as far as the format has them: as many bytes as before, but a kernel loads scales, and
// codes of several blocks, at once.
enum { PI_PLANAR = 64 };

// Added to the same formats: PI_STRIPE planar rows side by side, a stripe. Where a planar row has an f16 or a word (of fifth bits, or
// four bytes of codes), the stripe has that of each of its rows in turn, so that a vector's lanes are rows: no sums over lanes,
// no scale to spread, and no order to change for products with many tokens. A single row cannot be read by itself at a
// reasonable price. `row_bytes` is a row's share, so that stripe s begins PI_STRIPE * s * row_bytes after the first.
enum { PI_STRIPED = 128, PI_STRIPE = 16 };

// Rows of weights, one row per output, contiguous.
typedef struct {
  const void *PI_NONNULL data;
  size_t row_bytes;
  size_t columns;
  uint32_t format;  // PI_PLANAR or PI_STRIPED may be added
  // How products of one token read rows that follow one another. No choice changes a result.
  uint32_t tile;    // rows that are read together: 1 or 4; 0 for what the instruction set is used to
  size_t ahead;     // how many bytes before its use a weight is asked for; 0 as above, PI_NOT_AHEAD for never
  uint32_t cache;   // which cache it is asked into: 2 for the second, else the first
} pi_matrix;

enum { PI_NOT_AHEAD = 1 };

// Vectors of a batch of tokens. `values` is [tokens, columns]. The 8-bit form holds, per block of 32 columns, signed codes,
// one scale, and scale × (sum of codes) over the whole block, its first half and its second half: `codes` is
// [tokens, code_stride], `scales` [tokens, block_stride], `sums` [tokens, 3, block_stride]. Padding is zero. `order` says what
// kind of product the form was written for. How the codes lie belongs to the instruction set that wrote them: PI_BY_PANELS is
// their natural order, but AVX-512 adds 128 to each, padding included; in PI_BY_ROWS and PI_BY_SIXTEENS they may be in another order, the
// same in both.
enum {
  PI_BY_ROWS = 0,      // few tokens: each row of weights is decoded once per token or small group of tokens
  PI_BY_PANELS = 1,    // many: a panel of rows is decoded into scratch once and multiplied with all tokens
  PI_BY_SIXTEENS = 2,  // some: sixteen rows at a time are decoded in registers; PI_BY_ROWS where a table has no such products
};

typedef struct {
  const float *PI_NONNULL values;
  const int8_t *PI_NONNULL codes;
  const float *PI_NONNULL scales;
  const float *PI_NONNULL sums;
  size_t columns;
  size_t code_stride;   // multiple of 64, at least the columns rounded up to 128
  size_t block_stride;  // multiple of 16
  uint32_t order;
} pi_activations;

// Rows in two areas: `leading` holds what scales the codes of a row have and the two leading bits of every code, `rest` all
// other bits; together as many bytes as the rows had. Of the quantised formats, whose number is here without PI_PLANAR. PI_STRIPED may be
// added to formats that have stripes, for instruction sets with `has_stripes` and the portable one: `leading` is then in stripes of PI_STRIPE
// rows (pi_make_leading_stripe), the last one padded with arbitrary rows.
typedef struct {
  const uint8_t *PI_NONNULL leading;  // [rows, pi_leading_bytes]
  const uint8_t *PI_NONNULL rest;     // [rows, pi_rest_bytes]
  size_t columns;
  uint32_t format;
} pi_split_matrix;

// One token as products with leading bits read it. `codes` are those of PI_BY_ROWS in an order that belongs to the instruction set,
// zero up to a multiple of 256. `scales` and `sums` are as in pi_activations; `energies`, [3, block_stride], are the sums of squares of
// each block, of its first and of its second half, zero past the last block.
typedef struct {
  const int8_t *PI_NONNULL codes;
  const float *PI_NONNULL scales;
  const float *PI_NONNULL sums;
  const float *PI_NONNULL energies;
  size_t block_stride;
} pi_leading_input;

// Which elements of a head a rotation takes as pairs.
enum {
  PI_PAIR_NEIGHBOURS = 0,  // 2j and 2j + 1
  PI_PAIR_HALVES = 1,      // j and j + half of the rotated elements
};

// Which entries a selection keeps. What is not a number is kept by each.
enum {
  PI_KEEP_FROM = 0,       // !(value < threshold)
  PI_KEEP_ABOVE = 1,      // !(value <= threshold)
  PI_KEEP_MAGNITUDE = 2,  // !(|value| < threshold)
};

// Keys and values of one head of one layer, in pages of PI_ATTENTION_TILE positions; a format is PI_F16 or PI_Q8_0 (then
// head_size is a multiple of 32). In every page the head's keys begin at `key_offset` and its values at `value_offset`. Values
// are [positions] rows of the format. Keys take as many bytes, in whole blocks of PI_KEY_BLOCK positions in an order of their own.
enum {
  PI_KEY_BLOCK = 16,
  PI_ATTENTION_TILE = 64,  // positions of a page, which attention takes at once
};

typedef struct {
  uint8_t *PI_NONNULL const *PI_NONNULL pages;  // position p is in pages[p / PI_ATTENTION_TILE]
  size_t key_offset;
  size_t value_offset;
  size_t head_size;
  uint32_t key_format;
  uint32_t value_format;
  // A head of the same kind that is read next: few queries prefetch its first `next_count` pages meanwhile, 0 for none.
  uint8_t *PI_NONNULL const *PI_NULLABLE next_pages;
  size_t next_key_offset, next_count;
} pi_cache_head;

static inline size_t pi_attention_padded(size_t head_size) { return (head_size + 15) / 16 * 16; }

// Floats of one query's state, its softmax over some of the positions: [0] greatest score, [1] sum of weights relative to it,
// [16...] weighted sum of values.
static inline size_t pi_attention_state_floats(size_t head_size) { return 16 + pi_attention_padded(head_size); }

// Floats of scratch that `attend` needs for so many queries (tokens * group).
static inline size_t pi_attention_scratch_floats(size_t head_size, size_t queries) {
  const size_t padded = pi_attention_padded(head_size);
  return 2 * PI_ATTENTION_TILE * padded + queries * (PI_ATTENTION_TILE + pi_attention_state_floats(head_size) + padded);
}

// A matrix of floats as a product takes it: element (i, j) is data[i * stride + j], or data[j * stride + i] where it is turned.
typedef struct {
  const float *PI_NONNULL data;
  size_t stride;
  uint32_t is_turned;
} pi_floats;

// What a product of floats copies at once.
enum {
  PI_PRODUCT_DEPTH = 256,
  PI_PRODUCT_ROWS = 96,
  PI_PRODUCT_COLUMNS = 384,
  PI_PRODUCT_SCRATCH = PI_PRODUCT_DEPTH * (PI_PRODUCT_ROWS + PI_PRODUCT_COLUMNS),  // floats
};

// A step of Adam (Kingma and Ba 2014, arXiv:1412.6980).
typedef struct {
  float rate;
  float mean_decay, square_decay;    // beta 1 and beta 2
  float mean_factor, square_factor;  // 1 / (1 - beta^step) of each
  float epsilon;
  float decay;  // share of its value that every weight loses
} pi_adam;

typedef struct {
  // From this many tokens on, products with quantised weights are faster by panels; 0 where they never are.
  size_t panel_tokens;
  // The same by sixteens, with fewer tokens.
  size_t sixteen_tokens;
  // The same with a model that has BF16 weights, which have no products by sixteens; 0 where they are as fast by rows as by panels.
  size_t bf16_panel_tokens;
  // Whether `multiply` takes striped matrices, and `multiply_leading` too, which the portable set always does. No other product does, nor
  // does a sum of rows.
  uint32_t has_stripes;
  // Arranges the codes of a token, PI_BY_ROWS, for `multiply_leading`; `target` has room for a multiple of 256.
  void (*PI_NONNULL arrange_leading)(const int8_t *PI_NONNULL codes, size_t columns, int8_t *PI_NONNULL target);
  // What the leading bits of a row say of its product with the token: z[r - row_begin] is the product with every code in the middle
  // of what its other bits can make of it, deviation[r - row_begin] the standard deviation of what they add if they are uniform.
  void (*PI_NONNULL multiply_leading)(const pi_split_matrix *PI_NONNULL w, size_t row_begin, size_t row_end,
                                      const pi_leading_input *PI_NONNULL x, float *PI_NONNULL z,
                                      float *PI_NONNULL deviation);
  // Puts entries `begin` to `end` of a list of rows together again, one after the other, planar where the format can be. Where the
  // leading bits of Q4_0 or Q4_1 lie in stripes and the set has stripes, the result is stripes, too, the last one padded arbitrarily. The
  // rest of the rows that follow on the list is prefetched. Where leading bits lie in stripes, `rows` must have room, behind the joined
  // rows or whole stripes, for the leading bits of as many rows and 24 more.
  void (*PI_NONNULL join_listed)(const pi_split_matrix *PI_NONNULL w, const uint32_t *PI_NONNULL list, size_t count,
                                 size_t begin, size_t end, uint8_t *PI_NONNULL rows);
  // y[t * stride + r] = sum over c of w[r, c] * x[t, c], for the given rows and tokens.
  void (*PI_NONNULL multiply)(const pi_matrix *PI_NONNULL w, size_t row_begin, size_t row_end,
                              const pi_activations *PI_NONNULL x, size_t token_begin, size_t token_end,
                              float *PI_NONNULL y, size_t stride);
  // y[t * stride + i] = sum over c of w[list[i], c] * x[t, c], for `count` rows in any order: the same bits as `multiply` gives
  // for the row and the token. The 8-bit form is not PI_BY_PANELS, and the matrix not striped.
  void (*PI_NONNULL multiply_listed)(const pi_matrix *PI_NONNULL w, const uint32_t *PI_NONNULL list, size_t count,
                                     const pi_activations *PI_NONNULL x, size_t token_begin, size_t token_end,
                                     float *PI_NONNULL y, size_t stride);
  // y[t * stride + c] += sum over r of h[t * h_stride + r] * w[r, c]; rows whose h is 0 are skipped; r ascends.
  void (*PI_NONNULL accumulate_rows)(const pi_matrix *PI_NONNULL w, size_t rows, const float *PI_NONNULL h,
                                     size_t h_stride, size_t token_begin, size_t token_end, size_t column_begin,
                                     size_t column_end, float *PI_NONNULL y, size_t stride);
  // y[c] += sum over i of h[i] * w[list[i], c], i ascending, for the columns in whole blocks of 32 (portable: for all).
  void (*PI_NONNULL accumulate_listed)(const pi_matrix *PI_NONNULL w, const uint32_t *PI_NONNULL list, size_t count,
                                       const float *PI_NONNULL h, float *PI_NONNULL y);
  // Fills the 8-bit form of one token.
  void (*PI_NONNULL quantize_activations)(const float *PI_NONNULL x, size_t columns, uint32_t order,
                                          int8_t *PI_NONNULL codes, size_t code_stride, float *PI_NONNULL scales,
                                          float *PI_NONNULL sums, size_t block_stride);
  void (*PI_NONNULL rms_norm)(const float *PI_NONNULL x, const float *PI_NONNULL weight, float epsilon, size_t count,
                              float *PI_NONNULL y);
  void (*PI_NONNULL layer_norm)(const float *PI_NONNULL x, const float *PI_NONNULL weight, const float *PI_NONNULL bias,
                                float epsilon, size_t count, float *PI_NONNULL y);
  void (*PI_NONNULL add)(const float *PI_NONNULL x, float *PI_NONNULL y, size_t count);
  // Keeps some of `count` entries in their order and returns how many: the number of entry i is list[i], or first + i without
  // a list. Its value is kept too if that is asked for. Both results have room for `count` entries, whose rest is
  // overwritten; `kept` may be `list`, and `kept_values` may be `values`.
  size_t (*PI_NONNULL select)(const float *PI_NONNULL values, const uint32_t *PI_NULLABLE list, uint32_t first, size_t count,
                              uint32_t rule, float threshold, uint32_t *PI_NONNULL kept, float *PI_NULLABLE kept_values);
  void (*PI_NONNULL multiply_elements)(const float *PI_NONNULL a, const float *PI_NONNULL b, float *PI_NONNULL y,
                                       size_t count);
  void (*PI_NONNULL gate_silu)(const float *PI_NONNULL gate, const float *PI_NONNULL up, float *PI_NONNULL y,
                               size_t count);
  void (*PI_NONNULL gate_relu)(const float *PI_NONNULL gate, const float *PI_NONNULL up, float *PI_NONNULL y,
                               size_t count);
  void (*PI_NONNULL gate_relu_both)(const float *PI_NONNULL gate, const float *PI_NONNULL up, float *PI_NONNULL y,
                                    size_t count);
  void (*PI_NONNULL relu)(const float *PI_NONNULL x, float *PI_NONNULL y, size_t count);
  void (*PI_NONNULL gelu)(const float *PI_NONNULL x, float *PI_NONNULL y, size_t count);
  void (*PI_NONNULL rotate)(float *PI_NONNULL x, size_t heads, size_t head_size, size_t rotary, uint32_t pairing,
                            const float *PI_NONNULL cosines, const float *PI_NONNULL sines);
  void (*PI_NONNULL store_f16)(const float *PI_NONNULL x, size_t count, uint16_t *PI_NONNULL y);
  // Writes head->head_size floats as the key, or value, of a position.
  void (*PI_NONNULL store_key)(const pi_cache_head *PI_NONNULL head, size_t position, const float *PI_NONNULL x);
  void (*PI_NONNULL store_value)(const pi_cache_head *PI_NONNULL head, size_t position, const float *PI_NONNULL x);
  // States, [tokens, group, state], of the queries [tokens, group, head_size] over those positions from `begin` to `end` that
  // each sees: token t sees the first visible + t positions. `begin` and `chunk` are multiples of PI_ATTENTION_TILE; every
  // chunk of so many positions counted from `begin` has a state of its own, and these are merged in ascending order. The
  // first token sees position `begin`, or another call covers what it does see. Buffers are aligned to 64 bytes.
  void (*PI_NONNULL attend)(const pi_cache_head *PI_NONNULL head, const float *PI_NONNULL queries, size_t tokens,
                            size_t group, size_t visible, size_t begin, size_t end, size_t chunk, float scale,
                            void *PI_NONNULL scratch, float *PI_NONNULL states);
  // Merges `count` states of one query, `step` floats from one to the next in ascending order of positions, into the first,
  // and writes the result of attention, [head_size].
  void (*PI_NONNULL merge)(float *PI_NONNULL states, size_t count, size_t step, size_t head_size,
                           float *PI_NONNULL out);
  void (*PI_NONNULL softmax)(float *PI_NONNULL x, size_t count);
  // h[i * columns + j] += sum over t of x[t * stride + i] * x[t * stride + j], for the rows i given and all j >= i; some of the
  // elements before them change too, and are nothing's sum.
  void (*PI_NONNULL accumulate_gram)(const float *PI_NONNULL x, size_t stride, size_t tokens, size_t columns,
                                     size_t row_begin, size_t row_end, float *PI_NONNULL h);
  // c[i * stride + j] = sum over k of a(i, k) * b(k, j), with a [rows, depth] and b [depth, columns]; k ascends within stretches
  // of PI_PRODUCT_DEPTH, whose sums are added in order. Scratch is PI_PRODUCT_SCRATCH floats, aligned to 64 bytes.
  void (*PI_NONNULL multiply_floats)(const pi_floats *PI_NONNULL a, const pi_floats *PI_NONNULL b, size_t rows,
                                     size_t columns, size_t depth, float *PI_NONNULL c, size_t stride,
                                     float *PI_NONNULL scratch);
  // The derivative by z of factor * (weights[i] * ln(1 + e^-z) + price * ln(1 + e^z)).
  void (*PI_NONNULL logistic_gradient)(const float *PI_NONNULL z, const float *PI_NONNULL weights, float price,
                                       float factor, size_t count, float *PI_NONNULL gradient);
  // y[i] = 0 where x[i] is not above 0: the derivative of relu.
  void (*PI_NONNULL keep_where_positive)(const float *PI_NONNULL x, float *PI_NONNULL y, size_t count);
  // A step of all weights. Every one's rate is options->rate, times its own of `rates` where these are given.
  void (*PI_NONNULL adam)(const float *PI_NONNULL gradient, const float *PI_NULLABLE rates,
                          const pi_adam *PI_NONNULL options, size_t count, float *PI_NONNULL values,
                          float *PI_NONNULL means, float *PI_NONNULL squares);
  // What measures the memory. The sum of `lines` cache lines of 64 bytes as 64-bit words, modulo 2^64: so little work per
  // byte that memory alone limits it.
  uint64_t (*PI_NONNULL sum_lines)(const void *PI_NONNULL data, size_t lines);
  // y = a + factor * b, the triad of STREAM.
  void (*PI_NONNULL triad)(const float *PI_NONNULL a, const float *PI_NONNULL b, float factor, size_t count,
                           float *PI_NONNULL y);
} pi_kernels;

// The others return NULL where the build or the processor lacks the instruction set.
const pi_kernels *PI_NONNULL pi_kernels_portable(void);
const pi_kernels *PI_NULLABLE pi_kernels_avx2(void);
const pi_kernels *PI_NULLABLE pi_kernels_avxvnni(void);
const pi_kernels *PI_NULLABLE pi_kernels_avx512(void);
const pi_kernels *PI_NULLABLE pi_kernels_amx(void);
const pi_kernels *PI_NULLABLE pi_kernels_neon(void);

// Asks for rows that will soon be read, into the second cache.
void pi_prefetch_listed(const pi_matrix *PI_NONNULL w, const uint32_t *PI_NONNULL list, size_t count);

// A row of `columns` from blocks to planes, or back, into memory that does not overlap; for the formats that have planes.
void pi_make_planar(uint32_t format, const void *PI_NONNULL blocks, size_t columns, void *PI_NONNULL row);
void pi_make_blocks(uint32_t format, const void *PI_NONNULL row, size_t columns, void *PI_NONNULL blocks);
// A stripe from PI_STRIPE rows of blocks that follow one another, into memory that does not overlap; and columns `begin` to `end`
// (multiples of 32) of row `index` of a stripe as blocks again.
void pi_make_stripe(uint32_t format, const void *PI_NONNULL blocks, size_t columns, void *PI_NONNULL stripe);
void pi_read_stripe(uint32_t format, const void *PI_NONNULL stripe, size_t index, size_t columns, size_t begin, size_t end,
                    void *PI_NONNULL blocks);

// Bytes of a row's leading bits with its scales, and of its other bits. Both 0 for formats of plain floats.
size_t pi_leading_bytes(uint32_t format, size_t columns);
size_t pi_rest_bytes(uint32_t format, size_t columns);
// Takes a row apart, whose format may have PI_PLANAR added.
void pi_split_row(uint32_t format, const void *PI_NONNULL row, size_t columns, uint8_t *PI_NONNULL leading,
                  uint8_t *PI_NONNULL rest);
// A stripe from the leading bits of PI_STRIPE rows that follow one another.
void pi_make_leading_stripe(uint32_t format, const uint8_t *PI_NONNULL rows, size_t columns, uint8_t *PI_NONNULL stripe);
// The sums of squares of each block of 32, of its first and of its second half, [3, stride], zero past the last.
void pi_block_energies(const float *PI_NONNULL x, size_t columns, float *PI_NONNULL energies, size_t stride);

// Elements `begin` to `end` of a row of `columns`, multiples of the format's block.
void pi_dequantize_part(uint32_t format, const void *PI_NONNULL row, size_t columns, size_t begin, size_t end,
                        float *PI_NONNULL y);
// `count` is a multiple of the format's block; of a planar row, all of its columns.
void pi_dequantize(uint32_t format, const void *PI_NONNULL source, size_t count, float *PI_NONNULL y);
// Legacy blocks are the reference encoder's; for Q4_K, Q5_K and Q6_K the scales are searched for.
void pi_quantize(uint32_t format, const float *PI_NONNULL x, size_t count, void *PI_NONNULL y);
// The same with scales for which the sum over i of importance[i] * error[i]^2 is small, found by search; without importance all
// count alike, and in Q4_K, Q5_K and Q6_K as pi_quantize has it.
void pi_quantize_fitted(uint32_t format, const float *PI_NONNULL x, const float *PI_NULLABLE importance, size_t count,
                        void *PI_NONNULL y);
// The same again, with the columns of a row rounded one after the other: error e of column j adds e * factor[j * count + k] to
// what is rounded in every column k > j, for which `carry` has room. In Q4_K, Q5_K and Q6_K 256 columns are rounded at once.
void pi_quantize_compensated(uint32_t format, const float *PI_NONNULL x, const float *PI_NONNULL importance,
                             const float *PI_NONNULL factor, size_t count, float *PI_NONNULL carry, void *PI_NONNULL y);
// carry[r * count + c] += factors[r] * error[c], for `rows` rows.
void pi_spread_error(const float *PI_NONNULL error, size_t count, const float *PI_NONNULL factors, size_t rows,
                     float *PI_NONNULL carry);

// Tells the processor that this is a waiting loop.
static inline void pi_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Where threads run. `thread` is a pthread_t; processors are bits of `words`, 64 in each. On systems without such calls, and
// where the system refuses, the results are negative.
#define PI_PROCESSOR_WORDS 16
// The processor of the calling thread.
int pi_current_processor(void);
// Nanoseconds that a thread has had a processor.
int64_t pi_thread_time(uintptr_t thread);
// The processors that a thread may use.
int pi_get_processors(uintptr_t thread, uint64_t *PI_NONNULL words);
int pi_set_processors(uintptr_t thread, const uint64_t *PI_NONNULL words);

#endif
