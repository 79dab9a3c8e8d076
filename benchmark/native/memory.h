/* Memory for decoded pixels that is used again. */

#ifndef SEGBENCH_MEMORY_H
#define SEGBENCH_MEMORY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Make the type; -1 with an exception set where that fails. */
int make_memory_type(void);

/* memory(size): an object with a writable buffer of `size` bytes of any content. */
PyObject *memory(PyObject *module, PyObject *size);

/* release_memory(): give the system back what is kept to be used again. */
PyObject *release_memory(PyObject *module, PyObject *args);

#endif
