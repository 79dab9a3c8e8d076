/* Python's stable interface, and whether its buffers hold what is said of them. */

#ifndef SEGBENCH_BUFFERS_H
#define SEGBENCH_BUFFERS_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpu.h"

/* Whether a buffer of so many bytes holds an image of this size, of which each row takes `row_bytes`, which is not 0. */
INLINE int holds(Py_ssize_t bytes, Py_ssize_t rows, Py_ssize_t columns, uint64_t row_bytes) {
    if (rows <= 0 || columns <= 0 || rows > INT32_MAX || columns > INT32_MAX || bytes < 0) return 0;
    return (uint64_t)bytes / row_bytes == (uint64_t)rows && (uint64_t)bytes % row_bytes == 0;
}

/* Whether a buffer is `count` aligned values of 8 bytes. */
INLINE int holds_values(const Py_buffer *buffer, size_t count) {
    return (size_t)buffer->len / 8 == count && buffer->len % 8 == 0 && (uintptr_t)buffer->buf % 8 == 0;
}

#endif
