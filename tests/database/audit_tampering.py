"""What somebody with a superuser's rights may do to acme's audit, and what verifying must say of it.

There are 13 sealed rows: 5 in the first checkpoint, then 4 in each; globex has as many. `{5}` is the id of row 5.
"""

from tests.database.audited import ACME, GLOBEX

HIS = f"tenant_id = '{ACME}'"
ROW = f"id = (select event_id from audit_seals where {HIS} and seq = 5)"
SECOND = f"{HIS} and number = 2"
NO_SIGNATURE = "decode(repeat('00', 64), 'hex')"
TAIL = f"""delete from audit_events where id in (select event_id from audit_seals where {HIS} and seq > 9);
           delete from audit_seals where {HIS} and seq > 9;
           delete from audit_checkpoints where {HIS} and number = 3"""
WHOLE_TAIL = """delete from audit_events where id in (select event_id from audit_seals where seq > 9);
                delete from audit_seals where seq > 9;
                delete from audit_checkpoints where number = 3;
                delete from audit_anchors where place > 4"""
EXCHANGED = f"""update audit_seals set seq = 1011 - seq where {HIS} and seq in (5, 6);
                update audit_seals set seq = seq - 1000 where {HIS} and seq > 1000"""
FORGED = (
    f"insert into audit_events (tenant_id, action, subject, xid) values ('{ACME}', 'reply.sent', 'reply:forged', 3)"
)
SEALED_BY_ANOTHER = f"""insert into audit_seals select tenant_id, 14, event_at, gen_random_uuid(), hash
                        from audit_seals where {HIS} and seq = 13"""
REWRITTEN = f"update audit_checkpoints set content = replace(content, '\"last\":9', '\"last\":8') where {SECOND}"
OF_ANOTHER = f"""update audit_checkpoints c set content = o.content, signature = o.signature from audit_checkpoints o
                 where c.{HIS} and c.number = 2 and o.tenant_id = '{GLOBEX}' and o.number = 2"""
ALL_GONE = f"""delete from audit_events where {HIS}; delete from audit_seals where {HIS};
               delete from audit_checkpoints where {HIS}"""
ANCHOR = "place = (select max(place) from audit_anchors where mark = '\\xMARK')"
IS_CHANGED = "changed: row 5 ({5}) is not what was sealed there"

PLANTED = {
    "a changed subject": (f"update audit_events set subject = 'reply:x' where {ROW}", IS_CHANGED),
    "a changed actor": (f"update audit_events set actor = 'nobody' where {ROW}", IS_CHANGED),
    "a changed action": (f"update audit_events set action = 'reply.failed' where {ROW}", IS_CHANGED),
    "a changed request": (f"update audit_events set request_id = 'r' where {ROW}", IS_CHANGED),
    "a changed detail": (f"""update audit_events set details = '{{"calls": 9}}' where {ROW}""", IS_CHANGED),
    "a changed time": (f"update audit_events set at = at + interval '1 second' where {ROW}", "removed: row 5 ({5}"),
    "a changed hash": (f"update audit_seals set hash = '\\x00' where {HIS} and seq = 5", IS_CHANGED),
    "a changed hash at a checkpoint": (
        f"update audit_seals set hash = '\\x00' where {HIS} and seq = 9",
        "does not end as checkpoint 2 says",
    ),
    "a removed row": (f"delete from audit_events where {ROW}", "removed: row 5 ({5}"),
    "a removed seal": (f"delete from audit_seals where {HIS} and seq = 5", "gap: row 5 is missing"),
    "a removed row and its seal": (
        f"delete from audit_events where {ROW}; delete from audit_seals where {HIS} and seq = 5",
        "gap: row 5 is missing from the chain",
    ),
    "several removed seals": (
        f"delete from audit_seals where {HIS} and seq between 3 and 6",
        "gap: rows 3 to 6 are missing from the chain",
    ),
    "two rows exchanged": (EXCHANGED, "changed: row 5 ({6}) is not what was sealed there: changed, or moved"),
    "a row of long ago that was never sealed": (FORGED, "(reply.sent, "),
    "a row sealed by somebody else": (SEALED_BY_ANOTHER, "foreign: row 14 is sealed beyond the last checkpoint"),
    "the tail cut off": (TAIL, "cut: checkpoint 3 of "),
    "the tail cut off with its anchor": (
        f"{TAIL}; delete from audit_anchors where {ANCHOR}",
        "cut: ",
    ),
    "everything of the last round cut off": (WHOLE_TAIL, "knows anchor 6, which the database does not have"),
    "a checkpoint in between": (
        f"delete from audit_checkpoints where {SECOND}",
        "gap: checkpoints 2 to 2 are missing",
    ),
    "a bad signature": (
        f"update audit_checkpoints set signature = {NO_SIGNATURE} where {SECOND}",
        "unsigned: the signature of checkpoint 2 is not",
    ),
    "a checkpoint rewritten": (REWRITTEN, "unsigned: the signature of checkpoint 2 is not"),
    "a checkpoint of another tenant": (OF_ANOTHER, f"foreign: checkpoint 2 is number 2 of tenant {GLOBEX}"),
    "a checkpoint that is no JSON": (
        f"update audit_checkpoints set content = 'x' where {SECOND}",
        "damaged: checkpoint 2 cannot be read",
    ),
    "an anchor's bad signature": (
        f"update audit_anchors set signature = {NO_SIGNATURE}",
        "unsigned: the signature of anchor",
    ),
    "all audit of the tenant gone": (ALL_GONE, "cut: checkpoint 1 of "),
}
