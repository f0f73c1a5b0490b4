# Verifies signatures by Mail::DKIM. In: {"mails": [base64 …], "records": {name: text}}. Out: results for each mail.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

local $/;
my $given = decode_json(<STDIN>);

# The only thing that is not real: where records come from.
no warnings 'redefine';
*Mail::DKIM::DNS::query = sub {
    my ($name, $type) = @_;
    my $text = $given->{records}{ lc $name };
    return unless $type eq 'TXT' && defined $text;
    return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [ $text =~ /(.{1,255})/g ]);
};

my @answers;
for my $mail (@{ $given->{mails} }) {
    my $verifier = Mail::DKIM::Verifier->new(Strict => 1);
    $verifier->PRINT(decode_base64($mail));
    $verifier->CLOSE;
    push @answers, [ map { $_->result } grep { $_->algorithm eq 'rsa-sha256' } $verifier->signatures ];
}
print encode_json(\@answers);
