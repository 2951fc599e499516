"""What the codecs refuse: one class per code, gathered here because ``codec.py`` is long enough without them.

Decides nothing.
"""

from __future__ import annotations

from did_methods.errors import DidError


class JsonError(DidError):
    """Any refusal of JSON text; catch this for all of them."""

    code = "json_invalid"
    title = "Invalid JSON"


class JsonTooLargeError(JsonError):
    """The text has more bytes than the caller allows."""

    code = "json_too_large"
    title = "JSON text too large"


class JsonEncodingError(JsonError):
    """The text is not UTF-8, or begins with a byte order mark."""

    code = "json_encoding"
    title = "JSON text is not plain UTF-8"


class JsonSyntaxError(JsonError):
    """The text is not JSON."""

    code = "json_syntax"
    title = "JSON syntax error"


class JsonDuplicateKeyError(JsonError):
    """An object has one member name twice."""

    code = "json_duplicate_key"
    title = "Duplicate member name"


class JsonNumberError(JsonError):
    """A number is not finite, or an integer is beyond 2^53 - 1."""

    code = "json_number_range"
    title = "Number out of range"


class JsonSurrogateError(JsonError):
    """A string or name holds half of a surrogate pair."""

    code = "json_lone_surrogate"
    title = "Lone surrogate"


class JsonTooDeepError(JsonError):
    """Objects and arrays are nested deeper than allowed."""

    code = "json_too_deep"
    title = "JSON nested too deeply"


class JsonTooManyValuesError(JsonError):
    """There are more values than allowed."""

    code = "json_too_many_values"
    title = "Too many JSON values"


class JsonNotObjectError(JsonError):
    """The text is JSON, but its top level is not an object."""

    code = "json_not_object"
    title = "Not a JSON object"


class CodecError(DidError):
    """Any refusal of base58, base64url, multibase, multikey or multihash text; catch this for all of them."""

    code = "encoding_invalid"
    title = "Invalid encoding"


class EncodedTooLongError(CodecError):
    """Encoded text is longer than anything it may stand for."""

    code = "encoding_too_long"
    title = "Encoded text too long"


class Base58Error(CodecError):
    """Text has a character outside the base58btc alphabet, or none at all."""

    code = "base58_invalid"
    title = "Invalid base58 text"


class Base64UrlError(CodecError):
    """Text is not canonical base64url without padding."""

    code = "base64url_invalid"
    title = "Invalid base64url text"


class MultibaseError(CodecError):
    """Text does not begin with the one multibase prefix asked for."""

    code = "multibase_prefix"
    title = "Unexpected multibase prefix"


class VarintError(CodecError):
    """An unsigned varint is cut off, too long, or padded (a second spelling of a number)."""

    code = "varint_not_minimal"
    title = "Varint not minimal"


class KeyCodecError(CodecError):
    """The multicodec is not one of the five key kinds."""

    code = "key_codec_unknown"
    title = "Unknown key codec"


class KeyLengthError(CodecError):
    """The key has not the length of its kind."""

    code = "key_length"
    title = "Wrong key length"


class MultihashError(CodecError):
    """The bytes are not a SHA-256 multihash."""

    code = "multihash_invalid"
    title = "Not a SHA-256 multihash"
