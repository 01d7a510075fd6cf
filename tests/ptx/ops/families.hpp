// SPDX-License-Identifier: Apache-2.0
/// @file
/// The families of instructions. A new instruction: a function of its operands in the family's file, its opcode in the
/// family's add_, a test of its values in unit/.
#pragma once

#include "exec/decoder.hpp"

namespace fulmar::ptx {

void add_arithmetic(Table& table);  ///< add sub mul mad div rem min max abs neg sad, carries, on integers and floats
void add_functions(Table& table);   ///< rcp sqrt rsqrt sin cos lg2 ex2 tanh copysign testp
void add_compare(Table& table);     ///< setp set selp slct
void add_bits(Table& table);        ///< and or xor not cnot shl shr shf lop3 popc clz brev bfind bfe bfi prmt bmsk fns
void add_convert(Table& table);     ///< cvt
void add_move(Table& table);        ///< mov cvta isspacep
void add_memory(Table& table);      ///< ld st ldu atom red prefetch membar fence
void add_control(Table& table);     ///< bra brx call ret exit trap nanosleep
void add_together(Table& table);    ///< bar barrier shfl vote match redux activemask

}  // namespace fulmar::ptx
