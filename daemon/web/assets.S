    .section .rodata
    .macro asset name, file
    .global plumbline_asset_\name
    .global plumbline_asset_\name\()_end
plumbline_asset_\name:
    .incbin "\file"
plumbline_asset_\name\()_end:
    .endm

    asset index, "index.html"
    asset script, "app.js"
    asset style, "style.css"
    asset schemas, "schemas.json"

    .section .note.GNU-stack, "", @progbits
