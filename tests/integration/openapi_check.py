"""Holds answers of central against the OpenAPI document that it prints: the part of JSON Schema that the document uses."""
import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


class Document:
    def __init__(self, doc):
        self.schemas = doc["components"]["schemas"]
        self.routes = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path, ops) for path, ops in doc["paths"].items()]

    def operation(self, method, path):
        path = path.partition("?")[0]
        found = [(p.count("{"), ops) for pattern, p, ops in self.routes if pattern.match(path) and method.lower() in ops]
        return min(found, key=lambda f: f[0])[1][method.lower()] if found else None

    def check(self, method, path, status, content_type, body):
        """An AssertionError when the answer is not what the document promises."""
        op = self.operation(method, path)
        if op is None:
            assert status in (400, 401, 404, 405, 413), f"{method} {path}: {status}, and no such route"
            return
        responses = op["responses"]
        promised = responses.get(str(status)) or (responses.get("2XX") if status < 300 else None) or responses["default"]
        if status < 300 and str(status) not in responses:
            assert "2XX" in responses, f"{method} {path}: {status} is not promised"
        content = promised.get("content", {})
        if not content:
            assert body in (None, b""), f"{method} {path}: a body where none is promised"
        elif "application/json" in content:
            assert content_type == "application/json", f"{method} {path}: {content_type}"
            self.value(content["application/json"]["schema"], body, f"{method} {path} {status}")

    def value(self, schema, value, where):
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        if value is None:
            assert schema.get("nullable") or "type" not in schema, f"{where}: null"
            return
        kind = schema.get("type")
        if kind in ("integer", "number"):
            ok = isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
        else:
            ok = kind is None or isinstance(value, TYPES[kind])
        assert ok, f"{where}: {value!r} is no {kind}"
        assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
        if kind == "array":
            for i, item in enumerate(value):
                self.value(schema["items"], item, f"{where}[{i}]")
        if kind == "object":
            self.members(schema, value, where)

    def members(self, schema, value, where):
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties", not known)
        for name in schema.get("required", []):
            assert name in value, f"{where}: no {name}"
        for name, item in value.items():
            if name in known:
                self.value(known[name], item, f"{where}.{name}")
            else:
                assert rest, f"{where}: {name} is not in the document"
                if isinstance(rest, dict):
                    self.value(rest, item, f"{where}.{name}")
