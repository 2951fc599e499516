"""Why a DID file was not fetched: one class a reason, none of which tells an address or a name of this network."""

from __future__ import annotations

from did_methods.method import FetchFailedError


class FetchUrlRefusedError(FetchFailedError):
    """The URL is not ``https://host[:port]/path`` without user info, query, encoded separators and dot segments."""

    code = "did_fetch_url_refused"
    title = "This URL is not fetched"


class FetchAddressRefusedError(FetchFailedError):
    """The host has an address that is not one of the public internet, or the connection reached another one."""

    code = "did_fetch_address_refused"
    title = "The host's address is not one to fetch from"


class FetchHostUnknownError(FetchFailedError):
    """The host's name does not resolve to an address."""

    code = "did_fetch_host_unknown"
    title = "The host's name does not resolve"


class FetchUnreachableError(FetchFailedError):
    """No connection to the host could be made."""

    code = "did_fetch_unreachable"
    title = "The host cannot be reached"


class FetchTlsError(FetchFailedError):
    """The host does not speak TLS 1.2 or later, or has no valid certificate for its name."""

    code = "did_fetch_tls"
    title = "No trusted TLS connection to the host"


class FetchTimeoutError(FetchFailedError):
    """Look-up, connection and answer together took too long."""

    code = "did_fetch_timeout"
    title = "Fetching took too long"


class FetchRedirectError(FetchFailedError):
    """The host answered with a redirect; none is followed."""

    code = "did_fetch_redirect_refused"
    title = "Redirects are not followed"


class FetchStatusError(FetchFailedError):
    """The host answered with another status than 200, 404 or 410."""

    code = "did_fetch_status"
    title = "The host answered with an error"


class FetchHeadersError(FetchFailedError):
    """The head of the answer is longer than any honest one."""

    code = "did_fetch_headers_too_large"
    title = "The head of the answer is too large"


class FetchTooLargeError(FetchFailedError):
    """The body, or what is wrapped around it on the wire, is larger than what is read."""

    code = "did_fetch_too_large"
    title = "The file is too large"


class FetchEncodingError(FetchFailedError):
    """The body is compressed, though that was not asked for."""

    code = "did_fetch_encoding_refused"
    title = "Compressed answers are not read"


class FetchContentTypeError(FetchFailedError):
    """The answer says that it is something else than JSON, JSON lines, plain text or unnamed bytes."""

    code = "did_fetch_content_type"
    title = "The answer is not of a type that DID files have"


class FetchIncompleteError(FetchFailedError):
    """The connection ended before the answer did, so a log may have lost its last entries."""

    code = "did_fetch_incomplete"
    title = "The answer is incomplete"


class FetchProtocolError(FetchFailedError):
    """The answer is not well-formed HTTP/1.1, or its length is stated in two ways."""

    code = "did_fetch_protocol"
    title = "The answer is not well-formed HTTP"


class FetchRateError(FetchFailedError):
    """Too much is being fetched, from this host or in all."""

    code = "did_fetch_rate"
    title = "Too many fetches at this time"
