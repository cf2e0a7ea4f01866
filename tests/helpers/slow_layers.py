"""Layers by slow loops in NumPy, pixel by pixel."""

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def padding_before(size, kernel_size, stride):
    n_outputs = -(-size // stride)
    return max((n_outputs - 1) * stride + kernel_size - size, 0) // 2


def slow_conv(image, kernel, bias, stride=1):
    """Convolve an image with 'same' padding, pixel by pixel."""
    height, width, _ = image.shape
    k = kernel.shape[0]
    top, left = padding_before(height, k, stride), padding_before(width, k, stride)
    result = np.zeros((-(-height // stride), -(-width // stride), kernel.shape[3]))
    for i, j in np.ndindex(result.shape[:2]):
        result[i, j] = bias
        for di, dj in np.ndindex(k, k):
            row, column = i * stride + di - top, j * stride + dj - left
            if 0 <= row < height and 0 <= column < width:
                result[i, j] += image[row, column] @ kernel[di, dj]
    return result


def slow_transposed_conv(image, kernel, bias, stride=1):
    """Let each pixel paint the kernel into an image that is `stride` times as large."""
    height, width = image.shape[0] * stride, image.shape[1] * stride
    k = kernel.shape[0]
    top, left = padding_before(height, k, stride), padding_before(width, k, stride)
    result = np.zeros((height, width, kernel.shape[2])) + bias
    for i, j in np.ndindex(image.shape[:2]):
        for di, dj in np.ndindex(k, k):
            row, column = i * stride + di - top, j * stride + dj - left
            if 0 <= row < height and 0 <= column < width:
                result[row, column] += kernel[di, dj] @ image[i, j]
    return result


def slow_batch_norm(x, gamma, beta, mean, variance):
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
