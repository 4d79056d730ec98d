    .section .rodata
    .macro asset name, file
    .global plumbline_asset_\name
    .global plumbline_asset_\name\()_end
plumbline_asset_\name:
    .incbin "\file"
plumbline_asset_\name\()_end:
    .endm

#define ASSET(name, file, type) asset name, file
#include "assets.def"

    .section .note.GNU-stack, "", @progbits
