// The one list of ops. A new op: its header under schema/ops, one include and one word here.
#pragma once

#include "schema/ops/add.h"
#include "schema/ops/exp.h"
#include "schema/ops/if.h"
#include "schema/ops/leaky_relu.h"
#include "schema/ops/less.h"
#include "schema/ops/loop.h"
#include "schema/ops/softmax.h"
#include "schema/ops/transpose.h"

namespace gf {

using AllOps = OpList<  //
    op::Add, op::Exp, op::LeakyRelu, op::Less,
    // movement
    op::Transpose,
    // reductions and normalisations
    op::Softmax,
    // control flow
    op::If, op::Loop>;

}  // namespace gf
