"""PUTs that are refused, by Python's http.client, which writes the whole body before it reads.

    refused.py HOST:PORT PATH length|chunked BYTES COUNT [AUTHORIZATION]

Prints how often each outcome was seen, as JSON: a status, or the name of the exception.
"""

import collections
import http.client
import json
import sys

PIECE = b"x" * 65536


def pieces(size):
    while size > 0:
        yield PIECE[:size]
        size -= len(PIECE)


def push(address, path, framing, size, authorization):
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Authorization": authorization} if authorization else {}
    try:
        if framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
            connection.request("PUT", path, body=pieces(size), headers=headers, encode_chunked=True)
        else:
            connection.request("PUT", path, body=b"x" * size, headers=headers)
        answer = connection.getresponse()
        problem = json.loads(answer.read())
        assert problem["status"] == answer.status, problem
        return str(answer.status)
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


address, path, framing, size, count, *authorization = sys.argv[1:]
outcomes = collections.Counter(
    push(address, path, framing, int(size), authorization[0] if authorization else None)
    for _ in range(int(count))
)
print(json.dumps(outcomes))
