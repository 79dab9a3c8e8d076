/* What an allocator gives back to the system costs again when it is fetched: for each page the processor enters the
   system, which clears it. For an image of some megabytes that takes longer than to decode it. So blocks that were given
   back are kept for the next image, up to MAX_IDLE_BYTES. */

#define Py_LIMITED_API 0x030B0000
#include "memory.h"

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define MAX_IDLE 16
#define MAX_IDLE_BYTES ((size_t)48 << 20)

typedef struct {
    char *bytes;
    size_t room;
} Block;

typedef struct {
    PyObject_HEAD
    Block block;
    Py_ssize_t size;
} Memory;

/* All under the interpreter's lock. The block that was given back last stands last. */
static Block idle[MAX_IDLE];
static size_t idle_count = 0, idle_bytes = 0;
static PyTypeObject *memory_type = NULL;

static Block without(size_t place) {
    Block block = idle[place];
    idle_bytes -= block.room;
    idle_count--;
    for (size_t k = place; k < idle_count; k++) idle[k] = idle[k + 1];
    return block;
}

/* The smallest idle block that has room and wastes no more than half of it, or a new one. */
static Block take_block(size_t size) {
    size_t best = idle_count;
    for (size_t k = 0; k < idle_count; k++)
        if (idle[k].room >= size && idle[k].room / 2 <= size && (best == idle_count || idle[k].room < idle[best].room))
            best = k;
    if (best < idle_count) return without(best);
    Block block = {malloc(size ? size : 1), size ? size : 1};
    return block;
}

static void give_back(Block block) {
    if (block.bytes == NULL) return;
    if (block.room > MAX_IDLE_BYTES) {
        free(block.bytes);
        return;
    }
    while (idle_count == MAX_IDLE || idle_bytes + block.room > MAX_IDLE_BYTES) free(without(0).bytes);
    idle[idle_count++] = block;
    idle_bytes += block.room;
}

static void release(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    give_back(((Memory *)self)->block);
    free_object(self);
    Py_DECREF(type);
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags) {
    return PyBuffer_FillInfo(view, self, ((Memory *)self)->block.bytes, ((Memory *)self)->size, 0, flags);
}

PyObject *memory(PyObject *module, PyObject *wanted) {
    (void)module;
    Py_ssize_t size = PyLong_AsSsize_t(wanted);
    if (size == -1 && PyErr_Occurred()) return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a size is not negative");
        return NULL;
    }
    Memory *self = (Memory *)PyType_GenericAlloc(memory_type, 0);
    if (self == NULL) return NULL;
    self->size = size;
    self->block = take_block((size_t)size);
    if (self->block.bytes == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

PyObject *release_memory(PyObject *module, PyObject *args) {
    (void)module;
    (void)args;
    while (idle_count) free(without(idle_count - 1).bytes);
#if defined(__GLIBC__)
    malloc_trim(0); /* pages that nobody uses lie between others, too */
#endif
    Py_RETURN_NONE;
}

int make_memory_type(void) {
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)release},
        {Py_bf_getbuffer, (void *)get_buffer},
        {0, NULL},
    };
    static PyType_Spec spec = {
        "segbench._native.Memory", sizeof(Memory), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots,
    };
    if (memory_type == NULL) memory_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return memory_type == NULL ? -1 : 0;
}
