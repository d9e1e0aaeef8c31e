"""Drives a simulated cluster with proxmoxer, a client that nobody here wrote, by token and by ticket.

usage: proxmoxer_flow.py < JSON with {host, port, user, token_id, token_secret, password, node, storage}
Prints one line of JSON per step, and ends with 1 at the first step that goes wrong.
"""
import json
import sys
import time
import warnings

from proxmoxer import ProxmoxAPI
from proxmoxer.backends.https import AuthenticationError
from proxmoxer.core import ResourceException

warnings.filterwarnings("ignore")  # the certificate is self-signed, and verification is off here
given = json.load(sys.stdin)


def say(step, **found):
    print(json.dumps({"step": step, **found}), flush=True)


def wait(api, upid):
    node = upid.split(":")[1]
    for _ in range(200):
        status = api.nodes(node).tasks(upid).status.get()
        if status["status"] == "stopped":
            return status["exitstatus"]
        time.sleep(0.05)
    raise RuntimeError("the task never ended: " + upid)


def flow(api, how):
    node, storage = given["node"], given["storage"]
    say("version", how=how, release=api.version.get()["release"])
    say("nodes", how=how, names=sorted(entry["node"] for entry in api.nodes.get()))
    vmid = int(api.cluster.nextid.get())
    qemu = api.nodes(node).qemu
    created = qemu.create(vmid=vmid, name="by-proxmoxer", memory=512, cores=1, scsi0=f"{storage}:4", net0="virtio,bridge=vmbr0")
    say("create", how=how, exit=wait(api, created), vmid=vmid)
    say("start", how=how, exit=wait(api, qemu(vmid).status.start.post()))
    say("status", how=how, status=qemu(vmid).status.current.get()["status"])
    say("snapshot", how=how, exit=wait(api, qemu(vmid).snapshot.post(snapname="first")))
    say("snapshots", how=how, names=sorted(entry["name"] for entry in qemu(vmid).snapshot.get()))
    newid = int(api.cluster.nextid.get())
    say("clone", how=how, exit=wait(api, qemu(vmid).clone.post(newid=newid, name="its-clone", full=1)), vmid=newid)
    qemu(vmid).config.put(description="changed by proxmoxer")
    say("config", how=how, description=qemu(vmid).config.get()["description"])
    say("stop", how=how, exit=wait(api, qemu(vmid).status.stop.post()))
    for gone in (vmid, newid):
        say("delete", how=how, exit=wait(api, qemu(gone).delete()), vmid=gone)
    left = {int(entry["vmid"]) for entry in qemu.get()}
    say("left", how=how, ours=sorted(left & {vmid, newid}))
    try:
        qemu(vmid).config.get()
    except ResourceException as error:
        say("missing", how=how, status=error.status_code)


common = {"port": given["port"], "verify_ssl": False, "timeout": 20}
by_token = ProxmoxAPI(given["host"], user=given["user"], token_name=given["token_id"], token_value=given["token_secret"], **common)
flow(by_token, "token")
by_ticket = ProxmoxAPI(given["host"], user=given["user"], password=given["password"], **common)
flow(by_ticket, "ticket")
try:
    ProxmoxAPI(given["host"], user=given["user"], password="wrong", **common)
except AuthenticationError:
    say("refused", how="ticket")
