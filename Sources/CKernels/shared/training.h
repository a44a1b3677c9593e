// What training does to every element. The including file has included plain.h.

// The logistic function; 0 or 1 far from the middle, NaN for NaN.
PI_INLINE vf logistic(vf x) { return splat(1) / (splat(1) + exponential(-x)); }

PI_INLINE vf logistic_slope(vf z, vf weight, vf price) {
  const vf s = logistic(z);
  return weight * (s - splat(1)) + price * s;
}

static void PI_NAME(logistic_gradient)(const float *z, const float *weights, float price, float factor, size_t count,
                                       float *gradient) {
  const vf cost = splat(price), scale = splat(factor);
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) {
    store(gradient + i, logistic_slope(load(z + i), load(weights + i), cost) * scale);
  }
  if (i < count) {
    const vf rest =
        logistic_slope(load_part(z + i, count - i, 0), load_part(weights + i, count - i, 0), cost) * scale;
    memcpy(gradient + i, &rest, (count - i) * sizeof *gradient);
  }
}

static void PI_NAME(keep_where_positive)(const float *x, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] > 0 ? y[i] : 0;
}

static void PI_NAME(adam)(const float *gradient, const float *rates, const pi_adam *options, size_t count, float *values,
                          float *means, float *squares) {
  const float mean_share = options->mean_decay, square_share = options->square_decay;
  for (size_t i = 0; i < count; i++) {
    const float g = gradient[i];
    means[i] = mean_share * means[i] + (1 - mean_share) * g;
    squares[i] = square_share * squares[i] + (1 - square_share) * g * g;
    const float rate = rates ? options->rate * rates[i] : options->rate;
    const float step = means[i] * options->mean_factor / (sqrtf(squares[i] * options->square_factor) + options->epsilon);
    values[i] -= rate * step + options->decay * values[i];
  }
}
