"use strict";
// Decodes codes in the page, with the layers of the run's decoder on typed arrays.
// A value is a Float32Array in the order channel, row, column.
const Decoder = (() => {
  // Numbers in base64 → Float32Array.
  function unpack({ type, data }) {
    const text = atob(data);
    const bytes = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
    if (type === "float32") return new Float32Array(bytes.buffer);
    return Float32Array.from(new Uint16Array(bytes.buffer), half);
  }

  // The bits of a float16 as a number.
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  // Abramowitz and Stegun 1964, 7.1.26: an error below 1.5e-7.
  function erf(x) {
    const t = 1 / (1 + .3275911 * Math.abs(x));
    const sum = t * (.254829592 + t * (-.284496736 + t * (1.421413741
      + t * (-1.453152027 + t * 1.061405429))));
    return Math.sign(x) * (1 - sum * Math.exp(-x * x));
  }

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // Functions of each value by itself, from a layer's options.
  const functions = {
    relu: () => (x) => Math.max(0, x),
    leaky_relu: ({ negative_slope }) => (x) => (x > 0 ? x : negative_slope * x),
    elu: ({ alpha, scale, input_scale }) => (x) =>
      scale * (x > 0 ? x : alpha * Math.expm1(input_scale * x)),
    gelu: ({ approximate }) => (approximate === "tanh"
      ? (x) => .5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + .044715 * x ** 3)))
      : (x) => .5 * x * (1 + erf(x / Math.SQRT2))),
    silu: () => (x) => x * sigmoid(x),
    tanh: () => Math.tanh,
    sigmoid: () => sigmoid,
    softplus: ({ beta, threshold }) => (x) =>
      (beta * x > threshold ? x : Math.log1p(Math.exp(beta * x)) / beta),
    clamp: ({ min, max }) => (x) => Math.min(max ?? Infinity, Math.max(min ?? -Infinity, x)),
  };

  const volume = (shape) => shape.reduce((product, size) => product * size, 1);

  // Positions i in [0, count) for which i * stride - padding + tap is in [0, size): [first, end).
  const inside = (count, size, stride, padding, tap) => [
    Math.max(0, Math.ceil((padding - tap) / stride)),
    Math.min(count, Math.floor((size - 1 + padding - tap) / stride) + 1),
  ];

  // A convolution reads its large side, where places are `stride` apart, and writes the small one;
  // a transposed one goes back. For a channel of each, the rows of values that one weight connects:
  // the weight's place, the first place on the small and on the large side, and how many there are.
  function taps([, h, w], [, H, W], [kh, kw], stride, padding) {
    const list = [];
    for (let ky = 0; ky < kh; ky += 1) for (let kx = 0; kx < kw; kx += 1) {
      const [top, bottom] = inside(h, H, stride[0], padding[0], ky);
      const [left, right] = inside(w, W, stride[1], padding[1], kx);
      const x = left * stride[1] - padding[1] + kx;
      for (let i = top; i < bottom; i += 1) {
        const y = i * stride[0] - padding[0] + ky;
        if (right > left) list.push(ky * kw + kx, i * w + left, y * W + x, right - left);
      }
    }
    return Int32Array.from(list);
  }

  // A convolution either way, with weights in the order (small, large, row, column).
  function convolution({ shape, input, kernel, stride, padding }, { weight, bias }, transposed) {
    const out = new Float32Array(volume(shape));
    const [small, large] = transposed ? [input, shape] : [shape, input];
    const list = taps(small, large, kernel, stride, padding);
    const [smallArea, largeArea, area] = [small, large, [1, ...kernel]].map(([, h, w]) => h * w);
    const apart = stride[1];
    return (x) => {
      biased(out, bias);
      for (let a = 0; a < small[0]; a += 1) for (let b = 0; b < large[0]; b += 1) {
        const block = (a * large[0] + b) * area;
        for (let t = 0; t < list.length; t += 4) {
          const factor = weight[block + list[t]];
          let one = a * smallArea + list[t + 1];
          let other = b * largeArea + list[t + 2];
          const end = one + list[t + 3];
          if (transposed) for (; one < end; one += 1, other += apart) out[other] += factor * x[one];
          else for (; one < end; one += 1, other += apart) out[one] += factor * x[other];
        }
      }
      return out;
    };
  }

  // Starts a value at the biases of its channels.
  function biased(out, bias) {
    const area = out.length / bias.length;
    bias.forEach((value, channel) => out.fill(value, channel * area, (channel + 1) * area));
  }

  // Each makes a function of the layer's input, which may return the same array at every call.
  const kinds = {
    linear({ shape }, { weight, bias }) {
      const out = new Float32Array(shape[0]);
      const inputs = weight.length / shape[0];
      return (x) => {
        for (let row = 0; row < out.length; row += 1) {
          let sum = bias[row];
          for (let k = 0, at = row * inputs; k < inputs; k += 1) sum += weight[at + k] * x[k];
          out[row] = sum;
        }
        return out;
      };
    },
    conv: (layer, arrays) => convolution(layer, arrays, false),
    conv_transpose: (layer, arrays) => convolution(layer, arrays, true),
    affine({ shape }, { scale, shift }) {
      const out = new Float32Array(volume(shape));
      const block = out.length / scale.length;
      return (x) => out.map((_, k) => x[k] * scale[Math.floor(k / block)] + shift[Math.floor(k / block)]);
    },
    upsample({ shape, input }) {
      const out = new Float32Array(volume(shape));
      const [, H, W] = shape;
      const [, h, w] = input;
      return (x) => {
        for (let k = 0; k < out.length; k += 1) {
          const row = Math.floor(k / W);
          const channel = Math.floor(row / H);
          out[k] = x[(channel * h + Math.floor(((row % H) * h) / H)) * w + Math.floor(((k % W) * w) / W)];
        }
        return out;
      };
    },
    reshape: () => (x) => x,
  };

  function step(layer) {
    const arrays = Object.fromEntries(
      Object.entries(layer.arrays).map(([name, packed]) => [name, unpack(packed)]));
    if (kinds[layer.kind]) return kinds[layer.kind](layer, arrays);
    const apply = functions[layer.kind](layer);
    const out = new Float32Array(volume(layer.shape));
    return (x) => {
      for (let k = 0; k < out.length; k += 1) out[k] = apply(x[k]);
      return out;
    };
  }

  // Layers → a function of a code that returns the pixels, in [0, 1], of one image.
  function build(layers) {
    const steps = layers.map(step);
    const shape = layers.at(-1).shape;
    return { shape, decode: (code) => steps.reduce((value, apply) => apply(value), code) };
  }

  return { build, unpack };
})();
