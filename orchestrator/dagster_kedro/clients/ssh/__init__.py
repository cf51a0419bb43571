"""Workers on other hosts, over OpenSSH."""

from dagster_kedro.clients.ssh.client import KedroSshClient as KedroSshClient
