# postern-proxy on a machine of its own in front of Exchange: these lines go into the Exchange Management Shell.
# 192.0.2.1 is the proxy's address, 192.0.2.25 that of Exchange. In postern.conf on the proxy's machine:
#
#   [proxy]
#   listen = 0.0.0.0:25; [::]:25
#   hostname = mx.example.org
#   backend = 192.0.2.25:25
#   client_address = none
#   recipient_domains = example.org
#   tls = may
#
#   [tls]
#   servers = encrypt
#
# recipient_domains are the accepted domains (Get-AcceptedDomain). A connector with RemoteIPRanges is taken before
# the default one, for connections of the proxy alone. Nobody may relay through it: AnonymousUsers have no right
# Ms-Exch-SMTP-Accept-Any-Recipient.
New-ReceiveConnector -Name Postern -Server EX1 -TransportRole FrontendTransport `
    -Custom -Bindings 0.0.0.0:25 -RemoteIPRanges 192.0.2.1 `
    -PermissionGroups AnonymousUsers -AuthMechanism Tls

# All mail comes from one address: what slows and limits clients by address is the proxy's to do.
Set-ReceiveConnector EX1\Postern -TarpitInterval 00:00:00 `
    -MaxInboundConnectionPerSource unlimited `
    -MaxInboundConnectionPercentagePerSource 100 `
    -MessageRateLimit unlimited

# Filters of Exchange that look for a client's address take it from the Received field that the proxy writes.
Set-TransportConfig -InternalSMTPServers @{Add="192.0.2.1"}

# Quarantine: what the proxy has marked goes to the quarantine mailbox (Set-ContentFilterConfig).
New-TransportRule -Name "Postern quarantine" `
    -HeaderMatchesMessageHeader Postern-Quarantine -HeaderMatchesPatterns "." `
    -Quarantine $true
