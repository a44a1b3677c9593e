// The tile instructions that products use, or the same in plain C where PI_EMULATED_TILES is defined: a test build, because
// few processors have them.

// Shapes of the eight tiles, as the processor reads them.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

#ifndef PI_EMULATED_TILES

#define tile_configure(shapes) _tile_loadconfig(shapes)
#define tile_release() _tile_release()
#define tile_load(tile, p, stride) _tile_loadd(tile, p, stride)
#define tile_store(tile, p, stride) _tile_stored(tile, p, stride)
// c[i][j] += sum over k of the unsigned bytes a[i][k] × the signed bytes b[k / 4][4 * j + k % 4].
#define tile_multiply(c, a, b) _tile_dpbusd(c, a, b)

#else

#include <stdlib.h>

static _Thread_local struct {
  tile_shapes shapes;
  uint8_t data[8][16][64];
} tiles;

static void tile_configure(const tile_shapes *shapes) {
  tiles.shapes = *shapes;
  memset(tiles.data, 0, sizeof tiles.data);
}

static void tile_release(void) { memset(&tiles, 0, sizeof tiles); }

// What the processor refuses.
static void tile_check(bool allowed) {
  if (!allowed) abort();
}

static void tile_check_shape(size_t tile) {
  tile_check(tiles.shapes.palette == 1 && tile < 8 && tiles.shapes.rows[tile] > 0 && tiles.shapes.rows[tile] <= 16 &&
             tiles.shapes.row_bytes[tile] > 0 && tiles.shapes.row_bytes[tile] <= 64);
}

static void tile_load(size_t tile, const void *p, size_t stride) {
  tile_check_shape(tile);
  memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
  for (size_t r = 0; r < tiles.shapes.rows[tile]; r++) {
    memcpy(tiles.data[tile][r], (const uint8_t *)p + r * stride, tiles.shapes.row_bytes[tile]);
  }
}

static void tile_store(size_t tile, void *p, size_t stride) {
  tile_check_shape(tile);
  for (size_t r = 0; r < tiles.shapes.rows[tile]; r++) {
    memcpy((uint8_t *)p + r * stride, tiles.data[tile][r], tiles.shapes.row_bytes[tile]);
  }
}

static void tile_multiply(size_t c, size_t a, size_t b) {
  tile_check_shape(c);
  tile_check_shape(a);
  tile_check_shape(b);
  const tile_shapes *s = &tiles.shapes;
  tile_check(c != a && c != b && a != b && s->rows[c] == s->rows[a] && s->row_bytes[c] == s->row_bytes[b] &&
             s->row_bytes[a] == 4 * s->rows[b]);
  for (size_t i = 0; i < s->rows[c]; i++) {
    for (size_t j = 0; j < s->row_bytes[c] / 4; j++) {
      int32_t sum;
      memcpy(&sum, tiles.data[c][i] + 4 * j, 4);
      for (size_t k = 0; k < s->row_bytes[a]; k++) {
        sum += (int32_t)tiles.data[a][i][k] * (int8_t)tiles.data[b][k / 4][4 * j + k % 4];
      }
      memcpy(tiles.data[c][i] + 4 * j, &sum, 4);
    }
  }
}

#endif
