// What the example needs from its surroundings, one implementation per board.
#pragma once

/// Writes a NUL-terminated text where a person sees it.
void console_write(const char* text);
