/* The alias catalogue, embedded; see scripts/make-alias-catalogue. */
    .section .rodata
    .balign 16
    .globl plumbline_alias_catalogue_begin
    .hidden plumbline_alias_catalogue_begin
    .type plumbline_alias_catalogue_begin, @object
plumbline_alias_catalogue_begin:
    .incbin PLUMBLINE_ALIAS_FILE
    .globl plumbline_alias_catalogue_end
    .hidden plumbline_alias_catalogue_end
    .type plumbline_alias_catalogue_end, @object
plumbline_alias_catalogue_end:
    .byte 0
    .size plumbline_alias_catalogue_begin, plumbline_alias_catalogue_end - plumbline_alias_catalogue_begin
    .size plumbline_alias_catalogue_end, 1
    .section .note.GNU-stack, "", @progbits
