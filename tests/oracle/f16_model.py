"""A model file with every weight matrix as F16, made from a quantised one: the same architecture and tokenizer, but no
rounding of activations to 8 bits in any engine, so that two correct engines agree closely."""
import pathlib

import numpy as np


def f16_copy(source, folder):
    """The path of the copy, made on the first call and kept (270 MB for SmolLM2-135M)."""
    import gguf
    from gguf.quants import dequantize

    target = pathlib.Path(folder) / (pathlib.Path(source).stem + ".as-f16.gguf")
    if target.exists():
        return target
    reader = gguf.GGUFReader(source)
    partial = target.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(np.float16 if values.ndim > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(target)
    return target
