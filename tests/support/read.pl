# Reads mails by Email::MIME and Email::Address::XS. In: {"mails": [base64 …]}. Out: what was found in each.
use strict;
use warnings;
use Email::Address::XS;
use Email::MIME;
use JSON::PP;
use MIME::Base64;

local $/;
my $given = decode_json(<STDIN>);

sub mailboxes {
    my ($header) = @_;
    return [ map { [ $_->is_valid ? $_->phrase : 'INVALID', $_->address ] } $header->addresses ];
}

sub part {
    my ($part) = @_;
    return { type => $part->content_type, encoding => $part->header('Content-Transfer-Encoding'), text => $part->body_str };
}

my @answers;
for my $bytes (@{ $given->{mails} }) {
    my $mail = Email::MIME->new(decode_base64($bytes));
    push @answers, {
        names   => [ map { lc } $mail->header_names ],
        subject => $mail->header_str('Subject'),
        from    => mailboxes($mail->header_as_obj('From')),
        to      => mailboxes($mail->header_as_obj('To')),
        parts   => [ map { part($_) } $mail->subparts ],
    };
}
print encode_json(\@answers);
