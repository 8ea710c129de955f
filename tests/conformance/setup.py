"""What a real server needs before it is recorded, and the sandbox brings along: a default storage class, and volumes."""
import json


def prepare(server):
    objects = [("/apis/storage.k8s.io/v1/storageclasses", {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "pg-swarm.io/sandbox",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True})]
    volumes = "/api/v1/persistentvolumes"
    for o in server.once("GET", volumes)[1]["items"]:
        if o["metadata"]["name"].startswith("conformance-"):
            server.once("DELETE", volumes + "/" + o["metadata"]["name"])
    for i in range(8):
        objects.append((volumes, {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"generateName": "conformance-"},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                     "hostPath": {"path": f"/var/lib/conformance/{i}", "type": "DirectoryOrCreate"}}}))
    for path, o in objects:
        status, body, _ = server.once("POST", path, json.dumps(o), {"Content-Type": "application/json"})
        if status not in (201, 409):
            raise SystemExit(f"{path}: {body}")
