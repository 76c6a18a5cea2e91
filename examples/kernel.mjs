// One kernel in a plain TensorFlow.js program: a layer of a network in one launch, beside stock operations.
import { gemm, initialize, shutdown } from '@samtrack/kernels';
import * as tf from '@tensorflow/tfjs-core';

const runtime = await initialize(); // opens the GPU and registers it as tfjs's `webgpu` backend
const x = tf.randomNormal([256, 64]);
const weight = tf.randomNormal([64, 128]);
const bias = tf.randomNormal([128]);

const fused = tf.tidy(() => tf.mean(gemm(x, weight, { bias, activation: 'relu' })));
const stock = tf.tidy(() => tf.mean(tf.relu(tf.add(tf.matMul(x, weight), bias))));
console.log(
  `${runtime.info.description || runtime.info.device}: fused ${await fused.data()}, stock ${await stock.data()}`,
);

tf.dispose([x, weight, bias, fused, stock]);
shutdown(runtime); // lets Node exit
