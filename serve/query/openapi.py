"""The OpenAPI 3.1 description of the API, made from the queries. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from serve.query.errors import ERRORS
from serve.query.parameters import Parameter
from serve.query.queries import Named
from serve.query.result import TYPES

Document = dict[str, Any]

_SCHEMAS: Mapping[str, Document] = {
    "text": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    # A decimal is written as it is, not as a JSON number that readers take for a float.
    "decimal": {"type": "string", "pattern": r"^[+-]?[0-9]{1,20}(\.[0-9]{1,18})?$"},
    "time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "boolean": {"type": "boolean"},
}
_ANSWER: Document = {
    "type": "object",
    "required": ["key", "columns", "rows", "row_count", "truncated", "seconds"],
    "additionalProperties": False,
    "properties": {
        "key": {"type": "string"},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "type"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "type": {"enum": list(TYPES)}},
            },
        },
        "rows": {"type": "array", "items": {"type": "array"}},
        "row_count": {"type": "integer", "minimum": 0},
        "truncated": {"type": "boolean", "description": "there are more rows than the query may return"},
        "seconds": {"type": "number", "minimum": 0},
    },
}
_PROBLEM: Document = {
    "type": "object",
    "required": ["error", "kind"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string"},
        "kind": {"type": "string"},
        "expected": {"type": "string"},
        "found": {"type": "string"},
        "hint": {"type": "string"},
    },
}


def openapi_of(queries: Iterable[Named], *, most_characters: int, with_token: bool) -> Document:
    """Describe one path for each query, its parameters typed, and every answer that it may give."""
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "coinlake queries",
            "version": "1",
            "description": "Named queries on QuestDB, the lake and Kafka. Decimals are strings, times RFC 3339 in UTC.",
        },
        "paths": {
            "/api/q": {
                "get": {
                    "operationId": "queries",
                    "summary": "List the queries",
                    "responses": {
                        "200": {
                            "description": "the queries, their parameters and limits",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Listing"}}},
                        },
                        **_refusals(("no_token", "wrong_host", "internal")),
                    },
                }
            },
            **{
                f"/api/q/{named.key}": {"get": _operation(named, most_characters)}
                for named in sorted(queries, key=lambda named: named.key)
            },
        },
        "components": {
            "schemas": {
                "Answer": _ANSWER,
                "Problem": _PROBLEM,
                "Listing": {
                    "type": "object",
                    "required": ["queries"],
                    "properties": {
                        "queries": {"type": "array", "items": {"type": "object"}},
                        "refused": {"type": "string", "description": "what is wrong with the file of queries as it is"},
                    },
                },
            }
        },
    }
    if with_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _operation(named: Named, most_characters: int) -> Document:
    query = named.query
    limits = f"At most {query.row_limit:,} rows, stopped after {query.time_limit_seconds:g} s."
    return {
        "operationId": named.key,
        "summary": query.description,
        "description": limits,
        "tags": [query.store],
        "parameters": [
            *(_parameter(name, parameter, most_characters) for name, parameter in query.parameters.items()),
            {
                "name": "format",
                "in": "query",
                "description": "json or csv; without it the Accept header says",
                "schema": {"enum": ["json", "csv"]},
            },
        ],
        "responses": {
            "200": {
                "description": "the rows",
                "headers": {
                    "X-Row-Count": {"schema": {"type": "integer"}},
                    "X-Truncated": {"schema": {"enum": ["true", "false"]}},
                },
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Answer"}},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
            **_refusals([error.kind for error in ERRORS]),
        },
    }


def _parameter(name: str, parameter: Parameter, most_characters: int) -> Document:
    schema = dict(_SCHEMAS[parameter.type])
    if parameter.type == "text":
        schema["maxLength"] = most_characters
    if parameter.type == "integer":
        schema |= {
            key: int(bound)
            for key, bound in (("minimum", parameter.minimum), ("maximum", parameter.maximum))
            if bound is not None
        }
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.pattern is not None:
        schema["pattern"] = f"^(?:{parameter.pattern})$"
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema,
    }


def _refusals(kinds: Iterable[str]) -> Document:
    """Describe the answers that are none, by status; two kinds may share one."""
    said: dict[str, list[str]] = {}
    for error in ERRORS:
        if error.kind in set(kinds):
            summary = (error.__doc__ or "").split("\n")[0].rstrip(".")
            said.setdefault(str(error.status), []).append(f"{error.kind}: {summary}")
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": "; ".join(texts), "content": content} for status, texts in sorted(said.items())}
