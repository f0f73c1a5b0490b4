# Reads mails by Email::MIME and Email::Address::XS. In: {"mails": [base64 …]}. Out: what was found in each.
use strict;
use warnings;
use Email::Address::XS;
use Email::MIME;
use Encode qw(decode);
use JSON::PP;
use MIME::Base64;

local $/;
my $given = decode_json(<STDIN>);

sub mailboxes {
    my ($header) = @_;
    # An address beyond ASCII stands there as it is (RFC 6532), and comes back as bytes.
    return [ map { [ $_->is_valid ? $_->phrase : 'INVALID', decode('UTF-8', $_->address) ] } $header->addresses ];
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
