// The dictionary of the body codec, made by scripts/make-dictionary.
    .section .rodata
    .balign 16
    .global plumbline_body_dict
    .hidden plumbline_body_dict
plumbline_body_dict:
    .incbin "body.dict"
    .global plumbline_body_dict_end
    .hidden plumbline_body_dict_end
plumbline_body_dict_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
