"""Admission: which pods, runs and writers Kubernetes lets near a leased service account."""

from runlease.provision.admission.component import LeaseAdmission, LeaseAdmissionArgs

__all__ = ["LeaseAdmission", "LeaseAdmissionArgs"]
