// What an op of your own is made of: a struct with `info`, `Attrs`, `fields` and `infer` (op_def<YourOp> is then its row),
// and kernels with prepare, run and optionally init. Pass both in ModelOptions::custom_ops / custom_kernels, or as rows
// of the Tables that strict sessions get. Rows and kernels are constant data and must outlive what was given them.
#pragma once

#include "runtime/include/ghostflow/tables.h"
#include "schema/op.h"
