"""Rendered objects against the schemas of those who will read them. Every keyword is known or refused."""

import json
import re
import tarfile
import zipfile

import tools

# The oldest version that the chart says it supports, and the newest that the package knows.
KUBERNETES = ["1.30.0", "1.37.0"]

CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): ("keda", "keda.sh/v1alpha1/ScaledObject.d.ts"),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): ("keda", "keda.sh/v1alpha1/TriggerAuthentication.d.ts"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ("gateway", "gateway.networking.k8s.io/v1/HTTPRoute.d.ts"),
    ("monitoring.coreos.com/v1", "PodMonitor"): ("prometheus", "monitoring.coreos.com/v1/PodMonitor.d.ts"),
    ("monitoring.coreos.com/v1", "PrometheusRule"): ("prometheus", "monitoring.coreos.com/v1/PrometheusRule.d.ts"),
}

ANNOTATIONS = {"description", "format", "default", "discriminator", "$schema", "$id"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


class Schemas:
    def __init__(self):
        self.kubernetes = {version: kubernetes(version) for version in KUBERNETES}
        self.custom = {kind: declared(*where) for kind, where in CUSTOM.items()}

    def complaints(self, thing):
        """Why the API server of any supported version would not take this object as it is."""
        kind = (thing.get("apiVersion"), thing.get("kind"))
        if kind in self.custom:
            return list(check(thing, self.custom[kind], {}, ""))
        found = []
        for version, (definitions, kinds) in self.kubernetes.items():
            if kind not in kinds:
                found.append(f"Kubernetes {version} knows no {kind}")
            else:
                found += [f"{version}: {text}" for text in check(thing, kinds[kind], definitions, "")]
        return found


def kubernetes(version):
    member = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/_definitions.json"
    with zipfile.ZipFile(tools.archive("kubernetes")) as package:
        definitions = json.loads(package.read(member))["$defs"]
    kinds = {}
    for schema in definitions.values():
        for known in schema.get("x-kubernetes-group-version-kind", []):
            group = f"{known['group']}/" if known["group"] else ""
            kinds[group + known["version"], known["kind"]] = schema
    return definitions, kinds


def check(value, schema, definitions, path):
    if "$ref" in schema:
        yield from check(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, path)
        return
    for keyword in schema:
        known = {"type", "enum", "properties", "required", "additionalProperties", "items", "oneOf"}
        if keyword not in known | ANNOTATIONS and not keyword.startswith("x-kubernetes-"):
            raise AssertionError(f"the schema of {path} has the keyword {keyword}, which nothing here checks")
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_of(value, name) for name in types):
        yield f"{path}: {json.dumps(value)} is no {' or '.join(types)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "oneOf" in schema and sum(not list(check(value, one, definitions, path)) for one in schema["oneOf"]) != 1:
        yield f"{path}: {json.dumps(value)} fits none, or more than one"
    if isinstance(value, dict):
        properties, further = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{path}: {name} is missing"
        for name, inner in value.items():
            if name in properties:
                yield from check(inner, properties[name], definitions, f"{path}.{name}")
            elif further is False:
                yield f"{path}: {name} is not known"
            elif isinstance(further, dict):
                yield from check(inner, further, definitions, f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield from check(inner, schema["items"], definitions, f"{path}[{index}]")


def is_of(value, name):
    if name == "null":
        return value is None
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name != "boolean")


# -- TypeScript declarations generated from custom resource definitions ---------------------


def declared(tool, member):
    """The interface of a .d.ts file as a schema: what is not declared is not known."""
    with tarfile.open(tools.archive(tool)) as package:
        text = package.extractfile(f"package/{member}").read().decode()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    words = re.findall(r'"(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|\d+|[{}\[\]<>()?:;|&]', text[text.index("interface") :])
    return Declaration(words[2:]).type()


class Declaration:
    def __init__(self, words):
        self.words = words

    def next(self, wanted=None):
        word = self.words.pop(0)
        if wanted and word != wanted:
            raise AssertionError(f"{wanted} expected, {word} found")
        return word

    def type(self):
        parts = [self.single()]
        while self.words[0] == "|":
            self.next("|")
            parts.append(self.single())
        if len(parts) == 1:
            return parts[0]
        if all("enum" in part for part in parts):
            return {"enum": [value for part in parts for value in part["enum"]]}
        # number | string, as ports are
        return {"type": [name for part in parts for name in [part["type"]]]}

    def single(self):
        word = self.next()
        if word == "{":
            return self.object()
        if word.startswith('"'):
            return {"enum": [json.loads(word)]}
        if word == "Array":
            self.next("<")
            items = self.type()
            self.next(">")
            return {"type": "array", "items": items}
        if word == "IObjectMeta":
            return {"type": "object"}
        return {"type": word}

    def object(self):
        schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        while self.words[0] != "}":
            if self.words[0] == "[":
                for word in ("[", "key", ":", "string", "]", ":"):
                    self.next(word)
                schema["additionalProperties"] = self.type()
            else:
                name = json.loads(self.next())
                if self.words[0] == "?":
                    self.next("?")
                else:
                    schema["required"].append(name)
                self.next(":")
                schema["properties"][name] = self.type()
            self.next(";")
        self.next("}")
        return schema
