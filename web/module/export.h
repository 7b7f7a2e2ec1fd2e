// A function that JavaScript calls: GF_WEB_EXPORT(type, name)(parameters) { ... }
#pragma once

#define GF_WEB_EXPORT(type, name) extern "C" __attribute__((export_name(#name))) type name
