// The table of one instruction set, whose functions are all named by PI_NAME; only the products have variants.
#define PI_TABLE(sixteen_from, panel_from, bf16_from, product) \
  {                                                         \
      .panel_tokens = (panel_from),                         \
      .sixteen_tokens = (sixteen_from),                     \
      .bf16_panel_tokens = (bf16_from),                     \
      .has_stripes = PI_HAS_STRIPES,                        \
      .arrange_leading = PI_NAME(arrange_leading),          \
      .multiply_leading = PI_NAME(multiply_leading),        \
      .join_listed = PI_NAME(join_listed),                  \
      .multiply = (product),                                \
      .multiply_listed = PI_NAME(multiply_listed),          \
      .accumulate_rows = PI_NAME(accumulate_rows),          \
      .accumulate_listed = PI_NAME(accumulate_listed),      \
      .quantize_activations = PI_NAME(quantize_activations),\
      .rms_norm = PI_NAME(rms_norm),                        \
      .layer_norm = PI_NAME(layer_norm),                    \
      .add = PI_NAME(add),                                  \
      .select = PI_NAME(select),                            \
      .multiply_elements = PI_NAME(multiply_elements),      \
      .gate_silu = PI_NAME(gate_silu),                      \
      .gate_relu = PI_NAME(gate_relu),                      \
      .gate_relu_both = PI_NAME(gate_relu_both),            \
      .relu = PI_NAME(relu),                                \
      .gelu = PI_NAME(gelu),                                \
      .rotate = PI_NAME(rotate),                            \
      .store_f16 = PI_NAME(store_f16),                      \
      .store_key = PI_NAME(store_key),                      \
      .store_value = PI_NAME(store_value),                  \
      .attend = PI_NAME(attend),                            \
      .merge = PI_NAME(merge),                              \
      .softmax = PI_NAME(softmax),                          \
      .accumulate_gram = PI_NAME(accumulate_gram),          \
      .multiply_floats = PI_NAME(multiply_floats),          \
      .logistic_gradient = PI_NAME(logistic_gradient),      \
      .keep_where_positive = PI_NAME(keep_where_positive),  \
      .adam = PI_NAME(adam),                                \
      .sum_lines = PI_NAME(sum_lines),                      \
      .triad = PI_NAME(triad),                              \
  }
