"""The controls that evidence can support, in the auditors' own numbers: SOC 2 (TSC 2017) and NIST SP 800-53 rev. 5."""

from enum import Enum


class Control(Enum):
    """One control, and what of it a database lease has to do with."""

    CC6_1 = "SOC 2 CC6.1", "logical access: no standing password, every login in a declared role"
    CC6_2 = "SOC 2 CC6.2", "credentials are issued to known identities, and taken away"
    CC6_3 = "SOC 2 CC6.3", "least privilege and separation of duties"
    CC6_6 = "SOC 2 CC6.6", "connections from outside: TLS, and who may dial in"
    CC7_2 = "SOC 2 CC7.2", "what is not usual is found"
    AC_2 = "NIST AC-2", "accounts: who has one, and since when"
    AC_2_3 = "NIST AC-2(3)", "accounts that are not needed any more are disabled"
    AC_3 = "NIST AC-3", "access is enforced: what was not given is refused"
    AC_6 = "NIST AC-6", "least privilege"
    AC_6_9 = "NIST AC-6(9)", "use of privileged functions is logged"
    AU_3 = "NIST AU-3", "records say what, when, where and who"
    AU_6 = "NIST AU-6", "records are reviewed"
    AU_10 = "NIST AU-10", "what was done is bound to who did it"
    CM_3 = "NIST CM-3", "changes are known before they are made"
    IA_5 = "NIST IA-5", "credentials are short-lived and change"
    SC_8 = "NIST SC-8", "transmissions are protected"

    @property
    def id(self) -> str:
        """As auditors write it."""
        return self.value[0]

    @property
    def says(self) -> str:
        """What of it is meant here."""
        return self.value[1]


NOT_SUPPORTED = (
    "SOC 2 CC6.4, CC6.5 (physical access, disposal): nothing here speaks of it.",
    "SOC 2 CC6.8 (malicious software): images by digest help, and are no proof.",
    "SOC 2 CC7.3 to CC7.5 (incidents): what is found is named; who answers it is your process.",
    "NIST AU-9 (protection of records): the logs are yours; whoever may write them may forge what is traced from them.",
    "NIST AU-11 (retention): keep this folder, and the logs, as long as you have to.",
    "NIST PS-4, PS-5 (people who leave or move): members of roles are listed; whether they should be is for people.",
    "What a migration does as the owner within its lease is detected, not prevented.",
)
"""What an auditor may look for in a bundle, and does not find."""
